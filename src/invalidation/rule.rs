//! The rules of `on_write`.

use super::{Mode, Template, Variable};
use http::{HeaderMap, HeaderName, StatusCode};
use std::fmt;

/// Bytes of a body that are looked into, unless a rule says otherwise. What is written to an API by hand or by a form is far
/// shorter, and it is held in memory until it is whole.
pub const MAX_BODY: usize = 64 << 10;

/// What a rule purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The target of the write itself (always implied).
    SelfUrl,
    /// A URL: `/path` on the same authority, or absolute.
    Url(Template<Variable>),
    /// A tag.
    Tag(Template<Variable>),
    /// All below a path: `/path` on the same authority, or absolute.
    Prefix(Template<Variable>),
    /// All of a route.
    Route(Box<str>),
    /// Everything.
    All,
}

impl Selector {
    /// The variables it needs, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        let template = match self {
            Self::Url(template) | Self::Tag(template) | Self::Prefix(template) => Some(template),
            Self::SelfUrl | Self::Route(_) | Self::All => None,
        };
        template.into_iter().flat_map(Template::variables)
    }

    /// A variable that a request may lack and without which nothing narrower than everything is known to hold what this
    /// reaches: any of a tag; of a URL or prefix, one in its host.
    pub fn may_reach_all_for(&self) -> Option<&Variable> {
        let is_known = |variable: &Variable| matches!(variable, Variable::Capture(_) | Variable::Region);
        let names_host = |template: &Template<Variable>| {
            let Err(known) = template.fill_known(|variable| is_known(variable).then_some("x")) else {
                return true;
            };
            match known.split_once("//") {
                Some((before, host)) if !before.contains('/') => host.contains('/'),
                Some(_) | None => known.starts_with('/'),
            }
        };
        match self {
            Self::Url(template) | Self::Prefix(template) if names_host(template) => None,
            _ => self.variables().find(|variable| !is_known(variable)),
        }
    }
}

/// As the configuration has it.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfUrl => f.write_str("{ url: self }"),
            Self::Url(template) => write!(f, "{{ url: \"{template}\" }}"),
            Self::Tag(template) => write!(f, "{{ tag: \"{template}\" }}"),
            Self::Prefix(template) => write!(f, "{{ prefix: \"{template}\" }}"),
            Self::Route(route) => write!(f, "{{ route: {route} }}"),
            Self::All => f.write_str("{ all: true }"),
        }
    }
}

/// One thing that a write purges.
///
/// Where a value in its template is not known, `on_unknown` is purged in its place; without that, what is wide enough for
/// every value: the folder that is known of a URL or prefix, and for a tag, which replies of any path may bear, everything.
/// A file that would come to the latter is refused: [`Selector::may_reach_all_for`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRule {
    /// What it reaches.
    pub selector: Selector,
    /// What becomes of that.
    pub mode: Mode,
    /// What the reply has to be like.
    pub when: When,
    /// What stands in for it.
    pub on_unknown: Option<Selector>,
}

impl PurgeRule {
    /// Purges `selector` after every write that may have been done.
    pub const fn new(selector: Selector, mode: Mode) -> Self {
        Self { selector, mode, when: When::ALWAYS, on_unknown: None }
    }
}

/// What the reply to a write has to be like for a purge; all of it. A reply that says nothing of what the write did (it failed,
/// or never came) is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// It has one of these; any will do if there are none.
    pub statuses: Vec<Statuses>,
    /// It has each of these fields; with this value, where one is given.
    pub fields: Vec<(HeaderName, Option<Box<str>>)>,
}

impl When {
    /// Whatever the reply is like.
    pub const ALWAYS: Self = Self { statuses: Vec::new(), fields: Vec::new() };

    /// Whether a reply is like that. A field has the value if one of its lines has, white space around it aside.
    pub fn is_met(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let has = |(name, value): &(HeaderName, Option<Box<str>>)| match value {
            None => headers.contains_key(name),
            Some(value) => {
                headers.get_all(name).iter().any(|line| line.as_bytes().trim_ascii() == value.as_bytes())
            }
        };
        let any = self.statuses.is_empty() || self.statuses.iter().any(|statuses| statuses.contain(status));
        any && self.fields.iter().all(has)
    }
}

/// A status, or a class of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// This one.
    One(u16),
    /// All that begin with this digit: `2xx`.
    Class(u16),
}

impl Statuses {
    fn contain(self, status: StatusCode) -> bool {
        match self {
            Self::One(one) => status.as_u16() == one,
            Self::Class(class) => status.as_u16() / 100 == class,
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(status) => write!(f, "{status}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

/// What a write under a route purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRule {
    /// What is purged besides the target of the write.
    pub purge: Vec<PurgeRule>,
    /// What becomes of what `on_unknown` reaches. The target always dies.
    pub mode: Mode,
    /// What is purged for a reply that nobody saw, in place of what its `Location` and `Content-Location` would have named.
    ///
    /// Without it nothing is purged for those two fields: following them is a courtesy (RFC 9111, 4.4: MAY), they name what was
    /// just made as a rule, and a prefix wide enough for all that they could name would be everything for each write that
    /// fails.
    pub on_unknown: Option<Selector>,
    /// Bytes of a body that are looked into, where a purge needs a value of it.
    pub max_body: usize,
}

impl Default for WriteRule {
    /// The target alone.
    fn default() -> Self {
        Self { purge: Vec::new(), mode: Mode::Hard, on_unknown: None, max_body: MAX_BODY }
    }
}

impl WriteRule {
    /// Whether any purge may need the body of a request.
    pub fn reads_request_body(&self) -> bool {
        self.variables().any(Variable::reads_request_body)
    }

    /// Whether any purge may need the body of a reply.
    pub fn reads_reply_body(&self) -> bool {
        self.variables().any(Variable::reads_reply_body)
    }

    fn variables(&self) -> impl Iterator<Item = &Variable> {
        let stand_ins = self.purge.iter().filter_map(|purge| purge.on_unknown.as_ref());
        let selectors = self.purge.iter().map(|purge| &purge.selector);
        selectors.chain(stand_ins).chain(&self.on_unknown).flat_map(Selector::variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn replies_that_purges_depend_on() {
        #[track_caller]
        fn check(
            statuses: &[Statuses],
            fields: &[(&'static str, Option<&str>)],
            status: u16,
            expected: bool,
        ) {
            let fields =
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.map(Into::into)));
            let when = When { statuses: statuses.to_vec(), fields: fields.collect() };
            let lines = [("x-a", " full "), ("x-a", "b"), ("x-empty", "")];
            let headers =
                lines.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(when.is_met(status, &HeaderMap::from_iter(headers)), expected, "{when:?} {status}");
        }
        use Statuses::{Class, One};
        check(&[], &[], 200, true);
        check(&[One(201)], &[], 201, true);
        check(&[One(201)], &[], 200, false);
        check(&[One(201), Class(3)], &[], 303, true);
        check(&[Class(2)], &[], 299, true);
        check(&[Class(2)], &[], 300, false);
        check(&[], &[("x-a", None)], 200, true);
        check(&[], &[("x-empty", None)], 200, true);
        check(&[], &[("x-b", None)], 200, false);
        check(&[], &[("x-a", Some("full"))], 200, true);
        check(&[], &[("x-a", Some("b"))], 200, true);
        check(&[], &[("x-a", Some("Full"))], 200, false);
        check(&[], &[("x-a", Some("full")), ("x-b", None)], 200, false);
        check(&[One(201)], &[("x-a", None)], 200, false);
    }

    #[test]
    fn selectors_that_may_come_to_everything() {
        #[track_caller]
        fn check(selector: fn(Template<Variable>) -> Selector, text: &str, expected: Option<&str>) {
            let selector = selector(Template::parse(text).unwrap().resolve().unwrap());
            let variable = selector.may_reach_all_for().map(ToString::to_string);
            assert_eq!(variable.as_deref(), expected, "{selector}");
        }
        check(Selector::Tag, "catalog", None);
        check(Selector::Tag, "{id}:{region}", None);
        check(Selector::Tag, "{id}:{query.q}:{header.x}", Some("query.q"));
        check(Selector::Tag, "{body./a}", Some("body./a"));
        check(Selector::Url, "/{query.q}", None);
        check(Selector::Prefix, "/a//{query.q}", None);
        check(Selector::Url, "http://a/{query.q}", None);
        check(Selector::Prefix, "http://{id}/{query.q}", None);
        check(Selector::Prefix, "http://{id}{query.q}/", Some("query.q"));
        check(Selector::Url, "http://{header.x}/{query.q}", Some("header.x"));
        check(Selector::Url, "//{header.x}/a", Some("header.x"));
        check(Selector::Url, "{query.scheme}://a/", Some("query.scheme"));
    }

    #[test]
    fn selectors_are_shown_as_they_are_written() {
        let template = |text| Template::parse(text).unwrap().resolve().unwrap();
        for (selector, shown) in [
            (Selector::SelfUrl, "{ url: self }"),
            (Selector::Url(template("/a/{id}")), "{ url: \"/a/{id}\" }"),
            (Selector::Tag(template("c:{body./c}")), "{ tag: \"c:{body./c}\" }"),
            (Selector::Prefix(template("/{{a}}")), "{ prefix: \"/{{a}}\" }"),
            (Selector::Route("r".into()), "{ route: r }"),
            (Selector::All, "{ all: true }"),
        ] {
            assert_eq!(selector.to_string(), shown);
        }
    }
}
