//! One segment of a path pattern.

use super::PatternError;

/// What one segment of a path must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text.
    Literal(Box<str>),
    /// Anything but nothing.
    Any,
    /// `prefix`, at least one more character, `suffix`.
    Affixed { prefix: Box<str>, suffix: Box<str> },
}

/// What one segment of a pattern's text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// One segment, and the name for what its wildcard stands for.
    One(Segment, Option<Box<str>>),
    /// The rest of the path, and its name.
    Rest(Option<Box<str>>),
}

impl Segment {
    /// What the wildcard stands for in `text`; empty for a literal, `None` when `text` does not match.
    pub(super) fn captured<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => (**literal == *text).then_some(""),
            Self::Any => (!text.is_empty()).then_some(text),
            Self::Affixed { prefix, suffix } => {
                text.strip_prefix(&**prefix)?.strip_suffix(&**suffix).filter(|between| !between.is_empty())
            }
        }
    }
}

/// Reads one segment of a pattern's text.
pub(super) fn parse(text: &str) -> Result<Parsed, PatternError> {
    let mut wildcards = wildcards(text)?.into_iter();
    let Some(Wildcard { start, end, name, rest }) = wildcards.next() else {
        return Ok(Parsed::One(Segment::Literal(text.into()), None));
    };
    if wildcards.next().is_some() {
        return Err(PatternError::SeveralWildcards(text.to_owned()));
    }
    let (prefix, suffix) = (&text[..start], &text[end..]);
    match (rest, prefix.is_empty() && suffix.is_empty()) {
        (true, true) => Ok(Parsed::Rest(name)),
        (true, false) => Err(PatternError::RestNotLast(text.to_owned())),
        (false, true) => Ok(Parsed::One(Segment::Any, name)),
        (false, false) => {
            Ok(Parsed::One(Segment::Affixed { prefix: prefix.into(), suffix: suffix.into() }, name))
        }
    }
}

struct Wildcard {
    start: usize,
    end: usize,
    name: Option<Box<str>>,
    rest: bool,
}

fn wildcards(text: &str) -> Result<Vec<Wildcard>, PatternError> {
    let unbalanced = || PatternError::UnbalancedBrace(text.to_owned());
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find(['*', '{', '}']) {
        let start = at + offset;
        let wildcard = match text.as_bytes()[start] {
            b'*' => {
                let rest = text[start..].starts_with("**");
                Wildcard { start, end: start + 1 + usize::from(rest), name: None, rest }
            }
            b'{' => {
                let end = start + text[start..].find('}').ok_or_else(unbalanced)? + 1;
                let inner = &text[start + 1..end - 1];
                if inner.contains('{') {
                    return Err(unbalanced());
                }
                let (name, rest) = inner.strip_suffix("...").map_or((inner, false), |name| (name, true));
                Wildcard { start, end, name: Some(capture_name(name, inner)?), rest }
            }
            _ => return Err(unbalanced()),
        };
        at = wildcard.end;
        found.push(wildcard);
    }
    Ok(found)
}

fn capture_name(name: &str, written: &str) -> Result<Box<str>, PatternError> {
    let valid = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if valid { Ok(name.into()) } else { Err(PatternError::BadName(written.to_owned())) }
}
