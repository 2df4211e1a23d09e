//! Path patterns and what they capture.

use super::segment::{self, Parsed, Segment};
use super::{Ambiguity, PatternError, ambiguity};
use std::fmt;

/// The most segments a pattern may have. Deeper URLs exist, but rules that tell them apart so deep down do not; the bound keeps
/// the recursion of a look-up shallow.
pub(super) const MAX_SEGMENTS: usize = 32;
/// The most captures a pattern may have, so that those of a request fit on the stack.
pub(super) const MAX_CAPTURES: usize = 8;

/// `/api/v1/products/{id}`: `{x}` one segment, `{x...}` the rest, `*` and `**` the same without a name.
///
/// A wildcard for one segment may have text beside it (`{id}.json`) and never stands for nothing. One for the rest is the last
/// segment and stands for everything below its parent, and for the parent itself: `/a/**` matches `/a`, `/a/` and `/a/b/c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: Box<str>,
    parts: Box<[Part]>,
    end: End,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) segment: Segment,
    name: Option<Box<str>>,
}

/// How a pattern ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// With its last segment.
    Here,
    /// Not before the path does; the name for what is left.
    Rest(Option<Box<str>>),
}

impl PathPattern {
    /// Parses a path pattern.
    ///
    /// At most 32 segments and 8 captures; literal text must be a path that is not [ambiguous](super::ambiguity).
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let Some(below_root) = text.strip_prefix('/') else {
            return Err(PatternError::NotAbsolute(text.to_owned()));
        };
        if text.contains(['?', '#']) {
            return Err(PatternError::Query(text.to_owned()));
        }
        let mut parts = Vec::new();
        let mut end = End::Here;
        for written in below_root.split('/') {
            if let End::Rest(name) = &end {
                return Err(PatternError::RestNotLast(written_rest(name.as_deref())));
            }
            match segment::parse(written)? {
                Parsed::One(segment, name) => parts.push(Part { segment, name }),
                Parsed::Rest(name) => end = End::Rest(name),
            }
        }
        let pattern = Self { text: text.into(), parts: parts.into(), end };
        pattern.check_size()?;
        pattern.check_names()?;
        pattern.check_literals()?;
        Ok(pattern)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its captures, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let last = match &self.end {
            End::Here => None,
            End::Rest(name) => name.as_deref(),
        };
        self.parts.iter().filter_map(|part| part.name.as_deref()).chain(last)
    }

    /// Whether the capture takes the rest of a path. Only such a one is ever empty.
    pub fn is_rest(&self, name: &str) -> bool {
        matches!(&self.end, End::Rest(Some(rest)) if **rest == *name)
    }

    /// The captures of `path` (as sent, without query), or `None` if it does not match. Allocates nothing.
    pub fn captures<'p>(&'p self, path: &'p str) -> Option<Captures<'p>> {
        let mut captures = Captures::default();
        let mut rest = Some(path.strip_prefix('/')?);
        for part in &self.parts {
            let (text, after) = split_segment(rest?);
            let value = part.segment.captured(text)?;
            if let Some(name) = &part.name {
                captures.push(name, value);
            }
            rest = after;
        }
        match &self.end {
            End::Here => rest.is_none().then_some(captures),
            End::Rest(name) => {
                if let Some(name) = name {
                    captures.push(name, rest.unwrap_or(""));
                }
                Some(captures)
            }
        }
    }

    /// The paths that match with the captures that `value` knows, as far as they say it: whole paths, or the folder up to which
    /// everything is known. A value is text, and is escaped; it is one segment unless it is the rest.
    pub fn fill<V: AsRef<str>>(&self, value: impl Fn(&str) -> Option<V>) -> Filled {
        let mut path = String::new();
        for part in &self.parts {
            let (before, after) = match &part.segment {
                Segment::Literal(text) => {
                    path.extend(["/", text]);
                    continue;
                }
                Segment::Any => ("", ""),
                Segment::Affixed { prefix, suffix } => (&**prefix, &**suffix),
            };
            match part.name.as_deref().and_then(&value).filter(|value| !value.as_ref().is_empty()) {
                Some(value) => {
                    path.extend(["/", before, &escaped_value(value.as_ref(), false), after]);
                }
                None => return Filled::Below(path),
            }
        }
        match &self.end {
            End::Here => Filled::Paths(vec![path]),
            End::Rest(name) => match name.as_deref().and_then(&value) {
                Some(rest) if rest.as_ref().is_empty() => Filled::Paths(vec![format!("{path}/"), path]),
                Some(rest) => Filled::Paths(vec![format!("{path}/{}", escaped_value(rest.as_ref(), true))]),
                None => Filled::Below(path),
            },
        }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) fn takes_rest(&self) -> bool {
        matches!(self.end, End::Rest(_))
    }

    fn check_size(&self) -> Result<(), PatternError> {
        let count = self.parts.len() + usize::from(self.takes_rest());
        if count > MAX_SEGMENTS {
            return Err(PatternError::TooManySegments { pattern: self.text.to_string(), count });
        }
        let count = self.names().count();
        if count > MAX_CAPTURES {
            return Err(PatternError::TooManyCaptures { pattern: self.text.to_string(), count });
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), PatternError> {
        let names: Vec<_> = self.names().collect();
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, twice)) => Err(PatternError::DuplicateName((*twice).to_owned())),
            None => Ok(()),
        }
    }

    /// A pattern that only ambiguous paths match would be a rule that never applies.
    fn check_literals(&self) -> Result<(), PatternError> {
        let Some(why) = ambiguity(&self.sample()) else {
            return Ok(());
        };
        let advice = match why {
            Ambiguity::Unescaped => format!("write `{}`", escaped(&self.text)),
            Ambiguity::LowerCaseEscape => "write the digits of `%` in upper case".to_owned(),
            Ambiguity::NeedlessEscape => "write the character itself".to_owned(),
            Ambiguity::BrokenEscape => "write `%25` for a percent sign".to_owned(),
            _ => "leave it out".to_owned(),
        };
        Err(PatternError::Ambiguous { pattern: self.text.to_string(), why, advice })
    }

    /// A path that matches, with the least in it that the pattern does not say.
    fn sample(&self) -> String {
        let mut sample = String::new();
        for part in &self.parts {
            sample.push('/');
            match &part.segment {
                Segment::Literal(text) => sample.push_str(text),
                Segment::Any => sample.push('x'),
                Segment::Affixed { prefix, suffix } => sample.extend([prefix, "x", suffix]),
            }
        }
        if self.takes_rest() {
            sample.push_str("/x");
        }
        sample
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A pattern with values in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It matches these paths and no others.
    Paths(Vec<String>),
    /// It matches some of the paths at or below this one, without a slash at its end; empty: any.
    Below(String),
}

/// What the names of a pattern stood for in one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures<'p> {
    values: [(&'p str, &'p str); MAX_CAPTURES],
    count: usize,
}

impl<'p> Captures<'p> {
    /// The text captured by `name`, as sent. Only a capture of the rest is ever empty.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Names and texts, in the pattern's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'p str, &'p str)> {
        self.values[..self.count].iter().copied()
    }

    fn push(&mut self, name: &'p str, value: &'p str) {
        self.values[self.count] = (name, value);
        self.count += 1;
    }
}

/// Splits what follows a slash into its first segment and what follows the next slash.
pub(super) fn split_segment(text: &str) -> (&str, Option<&str>) {
    match text.bytes().position(|byte| byte == b'/') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn written_rest(name: Option<&str>) -> String {
    name.map_or_else(|| "**".to_owned(), |name| format!("{{{name}...}}"))
}

/// `text` with what no URI holds escaped; braces are the pattern's own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' | b'"' | b'<' | b'>' | b'`' | 0x80.. => escaped.push_str(&format!("%{byte:02X}")),
            _ => escaped.push(char::from(byte)),
        }
    }
    escaped
}

/// Text as a segment of a path, or as several of them (RFC 3986, 3.3).
fn escaped_value(text: &str, slashes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let kept =
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) || (slashes && byte == b'/');
        if kept {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
