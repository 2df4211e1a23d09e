//! Text with `{name}` in it, for tags and for what a write purges.

use super::path::hex_pair;
use std::borrow::Cow;

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
enum Part {
    Text(Box<str>),
    Name(Box<str>),
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Part]>,
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
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Name(name) => Some(&**name),
        })
    }

    /// The text with each name looked up; `None` when one is missing.
    pub fn render<V: AsRef<str>>(&self, lookup: impl Fn(&str) -> Option<V>) -> Option<String> {
        let (text, whole) = self.render_known(lookup);
        whole.then_some(text)
    }

    /// The text up to the first name that is missing, and whether none was.
    pub(super) fn render_known<V: AsRef<str>>(&self, lookup: impl Fn(&str) -> Option<V>) -> (String, bool) {
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

/// A capture, or where else a value is found: `query.page`, `body./category/id` (RFC 6901).
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./~".contains(&b))
}

/// A capture of a path as tags spell it: percent-decoded once, so that `/products/%37` and `/products/7` bear and
/// purge the same tag, and that tag is spelled as the application knows the value. Bytes that are no UTF-8 become
/// U+FFFD, which at most makes two tags one.
pub fn capture_text(raw: &str) -> Cow<'_, str> {
    if !raw.contains('%') {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let [first, behind @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, behind @ ..] => hex_pair(*high, *low).map(|byte| (byte, behind)),
            _ => None,
        };
        let (byte, behind) = escape.unwrap_or((*first, behind));
        decoded.push(byte);
        rest = behind;
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<&'static str> {
        match name {
            "id" => Some("7"),
            "sub-id_2" => Some("x/y"),
            "empty" => Some(""),
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
        for name in ["", " id", "a,b", "ü", "a{b"] {
            check(&format!("{{{name}}}"), TemplateError::BadName(name.to_owned()));
        }
    }

    #[test]
    fn captures_are_decoded_once() {
        #[track_caller]
        fn check(raw: &str, expected: &str) {
            assert_eq!(capture_text(raw), expected);
        }
        check("7", "7");
        check("%37", "7");
        check("%2537", "%37");
        check("50%", "50%");
        check("%zz%4", "%zz%4");
        check("a%2Fb", "a/b");
        check("%C3%BC", "ü");
        check("%ff", "\u{fffd}");
    }
}
