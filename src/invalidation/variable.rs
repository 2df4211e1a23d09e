//! Where the names in templates find their values.

use super::json::{BadPointer, Pointer};
use http::HeaderName;
use std::fmt;

/// Where the value of a name in a template stands: in the request, in its reply, or in the body of either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `{id}`: what the route's path captures under that name.
    Capture(Box<str>),
    /// `{query.page}`: a parameter of the request's query, by its decoded name.
    Query(Box<str>),
    /// `{region}`: the client's region, as keys have it; what the path captures under that name, where it does.
    Region,
    /// `{header.X-Name}`: a field of the request.
    Header(HeaderName),
    /// `{reply.X-Name}`: a field of the reply.
    Reply(HeaderName),
    /// `{body./pointer}`: in the JSON of the reply's body; where that has no such value, in that of the request's.
    Body(Pointer),
    /// `{request.body./pointer}`.
    RequestBody(Pointer),
    /// `{reply.body./pointer}`.
    ReplyBody(Pointer),
}

/// What in a name that is more than the name of a capture cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadVariable {
    /// The part before the first dot says nothing.
    #[error(
        "`{{{0}}}` names no source of values: query, header, reply, body, request.body and reply.body are some"
    )]
    Source(String),
    /// Nothing stands behind the dot.
    #[error("`{{{0}}}` names no parameter of the query")]
    Parameter(String),
    /// No field can be called that.
    #[error("`{{{0}}}` names no field that a message can have")]
    Field(String),
    /// It is no pointer into JSON.
    #[error("`{{{name}}}`: {error}")]
    Pointer {
        /// The name in the template.
        name: String,
        /// Why it is none.
        error: BadPointer,
    },
}

impl Variable {
    /// Reads a name as templates have it, without its braces.
    pub fn parse(name: &str) -> Result<Self, BadVariable> {
        let field = |text: &str| {
            HeaderName::from_bytes(text.as_bytes()).map_err(|_| BadVariable::Field(name.to_owned()))
        };
        let pointer = |text: &str| {
            Pointer::parse(text).map_err(|error| BadVariable::Pointer { name: name.to_owned(), error })
        };
        let Some((source, rest)) = name.split_once('.') else {
            return match name {
                "region" => Ok(Self::Region),
                // A pointer alone is for those whose values come from one document.
                _ if name.contains('/') => Err(BadVariable::Source(name.to_owned())),
                _ => Ok(Self::Capture(name.into())),
            };
        };
        match (source, rest) {
            ("query", "") => Err(BadVariable::Parameter(name.to_owned())),
            ("query", parameter) => Ok(Self::Query(parameter.into())),
            ("header", text) => field(text).map(Self::Header),
            ("body", text) => pointer(text).map(Self::Body),
            ("request", text) => match body(text) {
                Some(text) => pointer(text).map(Self::RequestBody),
                None => Err(BadVariable::Source(name.to_owned())),
            },
            ("reply", text) => match body(text) {
                Some(text) => pointer(text).map(Self::ReplyBody),
                None => field(text).map(Self::Reply),
            },
            _ => Err(BadVariable::Source(name.to_owned())),
        }
    }

    /// Whether its value stands in the body of the request, or may.
    pub const fn reads_request_body(&self) -> bool {
        matches!(self, Self::Body(_) | Self::RequestBody(_))
    }

    /// Whether its value stands in the body of the reply, or may.
    pub const fn reads_reply_body(&self) -> bool {
        matches!(self, Self::Body(_) | Self::ReplyBody(_))
    }

    /// Whether a reply has to be there before its value can be known for certain.
    pub const fn needs_reply(&self) -> bool {
        matches!(self, Self::Reply(_) | Self::Body(_) | Self::ReplyBody(_))
    }
}

/// The pointer in `body./pointer`, or what stands in its place.
fn body(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("body")?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('.') }
}

/// As templates have it, without its braces.
impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(name) => f.write_str(name),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Region => f.write_str("region"),
            Self::Header(name) => write!(f, "header.{name}"),
            Self::Reply(name) => write!(f, "reply.{name}"),
            Self::Body(pointer) => write!(f, "body.{pointer}"),
            Self::RequestBody(pointer) => write!(f, "request.body.{pointer}"),
            Self::ReplyBody(pointer) => write!(f, "reply.body.{pointer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_where_values_stand() {
        #[track_caller]
        fn check(name: &str, expected: Variable) {
            let variable = Variable::parse(name);
            assert_eq!(variable, Ok(expected), "{name}");
            assert_eq!(Variable::parse(&variable.unwrap().to_string()), Variable::parse(name), "{name}");
        }
        let pointer = |text| Pointer::parse(text).unwrap();
        let field = HeaderName::from_static;
        check("id", Variable::Capture("id".into()));
        check("body", Variable::Capture("body".into()));
        check("region", Variable::Region);
        check("query.page", Variable::Query("page".into()));
        check("query.filter[a.b]", Variable::Query("filter[a.b]".into()));
        check("header.X-Name", Variable::Header(field("x-name")));
        check("reply.X-Name", Variable::Reply(field("x-name")));
        check("reply.body-size", Variable::Reply(field("body-size")));
        check("body./a/0", Variable::Body(pointer("/a/0")));
        check("body./a.b", Variable::Body(pointer("/a.b")));
        check("request.body./a~1b", Variable::RequestBody(pointer("/a~1b")));
        check("reply.body./a", Variable::ReplyBody(pointer("/a")));
    }

    #[test]
    fn other_names_say_why_not() {
        #[track_caller]
        fn check(name: &str, expected: fn(String) -> BadVariable) {
            assert_eq!(Variable::parse(name), Err(expected(name.to_owned())));
        }
        check("cookie.a", BadVariable::Source);
        check("request.X-Name", BadVariable::Source);
        check("/a", BadVariable::Source);
        check("a/b", BadVariable::Source);
        check(".", BadVariable::Source);
        check("query.", BadVariable::Parameter);
        check("header.", BadVariable::Field);
        check("header.a b", BadVariable::Field);
        check("reply.", BadVariable::Field);
        for name in ["body.", "body.a", "reply.body", "reply.body.a", "request.body", "body./a~2"] {
            assert!(matches!(Variable::parse(name), Err(BadVariable::Pointer { .. })), "{name}");
        }
    }

    #[test]
    fn what_a_reply_gives_is_not_known_before() {
        #[track_caller]
        fn check(name: &str, request_body: bool, reply_body: bool, reply: bool) {
            let variable = Variable::parse(name).unwrap();
            let needs = (variable.reads_request_body(), variable.reads_reply_body(), variable.needs_reply());
            assert_eq!(needs, (request_body, reply_body, reply), "{name}");
        }
        check("id", false, false, false);
        check("query.a", false, false, false);
        check("region", false, false, false);
        check("header.a", false, false, false);
        check("reply.a", false, false, true);
        check("body./a", true, true, true);
        check("request.body./a", true, false, false);
        check("reply.body./a", false, true, true);
    }
}
