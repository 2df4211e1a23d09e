//! What is wrong with a configuration, where, and what to write instead.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// Faults kept of one file. Nobody mends more in one go, and a file of several megabytes of nonsense must not
/// turn into a list of gigabytes.
const MAX_FAULTS: usize = 1000;

/// Characters of a value that a fault repeats; enough to recognise it, and one line of a terminal.
const MAX_QUOTED: usize = 60;

/// Characters of a message that repeats a value.
const MAX_PLAIN: usize = 300;

/// One thing that is wrong.
///
/// Displayed as `FILE:LINE:COLUMN: path: problem; remedy`, always a single line. Lines and columns count from one,
/// columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// The line of the value or key that is at fault.
    pub line: usize,
    /// Its column.
    pub column: usize,
    /// The way to it from the top of the file: `routes[2].cache.ttl`; `file` for the file as a whole.
    pub path: String,
    /// What is wrong. Never holds a value that came from the environment or from another file.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, path, problem, remedy } = self;
        write!(f, "{file}:{line}:{column}: {path}: {problem}; {remedy}")
    }
}

/// Everything that is wrong with a configuration: at least one fault, ordered by place. Displayed a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults, in the order of their places.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Why a text is not what it should be, and what to write instead; its place is known to whoever reads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Wrong {
    /// From words.
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }
}

/// A place in the file, and the way to it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) path: Rc<str>,
}

impl Place {
    /// The file as a whole.
    pub(super) fn file() -> Self {
        Self { line: 1, column: 1, path: "file".into() }
    }

    /// The same spot, for a key that should stand below it.
    pub(super) fn missing(&self, key: &str) -> Self {
        Self { path: join(&self.path, key).into(), ..self.clone() }
    }
}

/// The path of `key` below `parent`; the empty path is the top of the file.
pub(super) fn join(parent: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    match (parent, plain) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{parent}.{key}"),
        (_, false) => format!("{parent}[\"{}\"]", printable(key)),
    }
}

/// Text from the file in backticks: one line, of bounded length, without characters that act on a terminal.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", printable(text))
}

/// Text of another layer that may repeat what a user wrote: as [`quoted`] but for the backticks, and longer.
pub(super) fn plain(text: &str) -> String {
    bounded(text, MAX_PLAIN)
}

fn printable(text: &str) -> String {
    bounded(text, MAX_QUOTED)
}

fn bounded(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Line separators, and marks that reorder or hide what is printed after them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Collects faults while a file is read.
pub(super) struct Report {
    file: String,
    faults: RefCell<Vec<Fault>>,
    count: Cell<usize>,
}

impl Report {
    /// An empty report about `file`.
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), faults: RefCell::default(), count: Cell::new(0) }
    }

    /// Notes a fault.
    pub(super) fn fault(&self, place: &Place, problem: impl Into<String>, remedy: impl Into<String>) {
        let count = self.count.get() + 1;
        self.count.set(count);
        if count > MAX_FAULTS {
            return;
        }
        self.faults.borrow_mut().push(Fault {
            file: self.file.clone(),
            line: place.line,
            column: place.column,
            path: place.path.to_string(),
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// What was found, or nothing.
    pub(super) fn finish(self) -> Option<Faults> {
        let mut faults = self.faults.into_inner();
        // Stable: faults at one place stay in the order in which they were found.
        faults.sort_by_key(|fault| (fault.line, fault.column));
        let untold = self.count.get().saturating_sub(faults.len());
        if let (Some(last), 1..) = (faults.last_mut(), untold) {
            last.remedy.push_str(&format!(" ({untold} more faults are not shown)"));
        }
        (!faults.is_empty()).then_some(Faults(faults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_on_one_line() {
        for (text, shown) in [
            ("plain", "`plain`"),
            ("two\nlines", "`two\\u{a}lines`"),
            ("\u{1b}[31m", "`\\u{1b}[31m`"),
            ("\u{202e}abc", "`\\u{202e}abc`"),
            ("ключ", "`ключ`"),
        ] {
            assert_eq!(quoted(text), shown);
        }
        assert_eq!(quoted(&"x".repeat(100)), format!("`{}…`", "x".repeat(MAX_QUOTED)));
    }

    #[test]
    fn paths_quote_keys_that_would_be_read_as_paths() {
        for (parent, key, path) in [
            ("", "routes", "routes"),
            ("routes[0]", "cache", "routes[0].cache"),
            ("host_aliases", "shop.example.com", "host_aliases[\"shop.example.com\"]"),
            ("", "a b", "[\"a b\"]"),
        ] {
            assert_eq!(join(parent, key), path);
        }
    }

    #[test]
    fn the_list_is_ordered_and_bounded() {
        let report = Report::new("f");
        for line in (1..=MAX_FAULTS + 5).rev() {
            report.fault(&Place { line, column: 1, path: "p".into() }, "wrong", "mend");
        }
        let faults = report.finish().expect("faults were reported");
        assert_eq!(faults.iter().count(), MAX_FAULTS);
        assert!(faults.iter().is_sorted_by_key(|fault| fault.line));
        assert!(faults.to_string().ends_with("(5 more faults are not shown)"));
        assert!(Report::new("f").finish().is_none());
    }
}
