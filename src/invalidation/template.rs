//! Text with `{name}` in it, for tags and for what a write or an event purges.

use super::variable::{BadVariable, Variable};
use std::fmt;

/// Bytes of a tag that is kept as it is, and of a value that others than the path put into a URL. Both are far shorter, and what
/// a client or an application puts in for a name must not make purges that fill logs and queues.
pub const MAX_TEXT: usize = 2 << 10;

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("unbalanced brace: write {{{{ or }}}} for a brace of the text itself")]
    Unbalanced,
    /// `{}` or a name with characters that none has.
    #[error("`{{{0}}}` is not a name: letters, digits and `_-./~` make one")]
    BadName(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<N> {
    Text(Box<str>),
    Name(N),
}

/// A parsed template. What its names stand for is up to who [renders](Template::render) it; where they are [`Variable`]s, it
/// is what [`Values`](super::Values) tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<N = Box<str>> {
    pub(super) parts: Box<[Part<N>]>,
}

impl Template {
    /// Parses `text`; `{{` and `}}` stand for braces.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let brace = &rest[at..=at];
            plain.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(behind) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = behind;
            } else if brace == "{" {
                let (name, behind) = rest.split_once('}').ok_or(TemplateError::Unbalanced)?;
                if !is_name(name) {
                    return Err(TemplateError::BadName(name.to_owned()));
                }
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain).into()));
                }
                parts.push(Part::Name(name.into()));
                rest = behind;
            } else {
                return Err(TemplateError::Unbalanced);
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self { parts: parts.into() })
    }

    /// The names it needs, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.each().map(|name| &**name)
    }

    /// What it says of its own, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(&**text),
            Part::Name(_) => None,
        })
    }

    /// The text with each name looked up; `None` when one is missing.
    pub fn render<V: AsRef<str>>(&self, lookup: impl Fn(&str) -> Option<V>) -> Option<String> {
        let (text, whole) = self.written(|name| lookup(name));
        whole.then_some(text)
    }

    /// The same, its names read as variables.
    pub fn resolve(&self) -> Result<Template<Variable>, BadVariable> {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Ok(Part::Text(text.clone())),
            Part::Name(name) => Variable::parse(name).map(Part::Name),
        });
        Ok(Template { parts: parts.collect::<Result<_, _>>()? })
    }
}

impl Template<Variable> {
    /// The variables it needs, in order.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.each()
    }

    /// The text with each variable looked up; `None` when one is not known.
    pub fn fill<V: AsRef<str>>(&self, lookup: impl Fn(&Variable) -> Option<V>) -> Option<String> {
        self.fill_known(lookup).ok()
    }

    /// As [`Template::fill`]; else the text up to what is not known.
    pub(super) fn fill_known<V: AsRef<str>>(
        &self,
        lookup: impl Fn(&Variable) -> Option<V>,
    ) -> Result<String, String> {
        let (text, whole) = self.written(lookup);
        if whole { Ok(text) } else { Err(text) }
    }
}

impl<N> Template<N> {
    fn each(&self) -> impl Iterator<Item = &N> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Name(name) => Some(name),
        })
    }

    /// The text up to the first name that is missing, and whether none was.
    fn written<V: AsRef<str>>(&self, lookup: impl Fn(&N) -> Option<V>) -> (String, bool) {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Name(name) => match lookup(name) {
                    Some(value) => out.push_str(value.as_ref()),
                    None => return (out, false),
                },
            }
        }
        (out, true)
    }
}

/// As it was written.
impl<N: fmt::Display> fmt::Display for Template<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Name(name) => write!(f, "{{{name}}}"),
        })
    }
}

/// A plain name, or one that says where a value is found: `query.page`, `body./category/id`, `/category/id`. Fields and
/// pointers may be called anything, so behind the first `.` or `/` much is allowed.
fn is_name(text: &str) -> bool {
    let (plain, place) = text.split_at(text.find(['.', '/']).unwrap_or(text.len()));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-~".contains(&byte);
    !text.is_empty() && plain.bytes().all(is_plain) && !place.contains(|c: char| c == '{' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<&'static str> {
        match name {
            "id" => Some("7"),
            "sub-id_2" => Some("x/y"),
            "empty" => Some(""),
            "/a b/ü" => Some("pointed"),
            _ => None,
        }
    }

    #[test]
    fn names_are_replaced() {
        #[track_caller]
        fn check(text: &str, names: &[&str], expected: Option<&str>) {
            let template = Template::parse(text).unwrap();
            assert_eq!(template.names().collect::<Vec<_>>(), names, "{text:?}");
            assert_eq!(template.render(value).as_deref(), expected, "{text:?}");
            assert_eq!(Template::parse(&template.to_string()).as_ref(), Ok(&template), "{text:?}");
        }
        check("", &[], Some(""));
        check("catalog", &[], Some("catalog"));
        check("product:{id}", &["id"], Some("product:7"));
        check("{id}{sub-id_2}{id}", &["id", "sub-id_2", "id"], Some("7x/y7"));
        check("<{empty}>", &["empty"], Some("<>"));
        check("{{id}} }}{{", &[], Some("{id} }{"));
        check("{{{id}}}", &["id"], Some("{7}"));
        check("a{missing}b", &["missing"], None);
        check("ü{id}ü", &["id"], Some("ü7ü"));
        check("{/a b/ü}", &["/a b/ü"], Some("pointed"));
    }

    #[test]
    fn bad_templates_say_why() {
        #[track_caller]
        fn check(text: &str, expected: TemplateError) {
            assert_eq!(Template::parse(text), Err(expected), "{text:?}");
        }
        for unbalanced in ["{", "}", "a{id", "id}", "{id}}", "{{id}"] {
            check(unbalanced, TemplateError::Unbalanced);
        }
        for name in ["", " id", "a,b", "ü", "a{b", "a.{b", "a.\n"] {
            check(&format!("{{{name}}}"), TemplateError::BadName(name.to_owned()));
        }
    }

    #[test]
    fn what_is_known_comes_before_what_is_not() {
        let template = Template::parse("/{a}/{b}/c").unwrap().resolve().unwrap();
        let known = |variable: &Variable| (*variable == Variable::Capture("a".into())).then_some("1");
        assert_eq!(template.fill_known(known), Err("/1/".to_owned()));
        assert_eq!(template.fill(known), None);
        assert_eq!(template.fill(|_| Some("x")).as_deref(), Some("/x/x/c"));
    }
}
