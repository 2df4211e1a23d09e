//! `${NAME}`, `${NAME:-default}` and `${file:/path}` in values.

use super::fault::{Wrong, quoted};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a file that `${file:…}` takes. Mounted secrets are keys and tokens; Kubernetes takes a mebibyte for a
/// whole secret of many of them.
const MAX_SECRET: u64 = 64 * 1024;

/// Where values come from: the environment, and the folder that relative paths start from.
pub(super) struct Sources<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) folder: &'a Path,
}

/// A value with what it refers to filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded<'t> {
    pub(super) text: Cow<'t, str>,
    /// Whether anything was filled in: then `text` may be secret and is never shown.
    pub(super) foreign: bool,
}

/// A piece of a value.
enum Piece<'t> {
    Literal(&'t str),
    /// `${NAME}`, and what stands for it when it is unset or empty.
    Variable {
        name: &'t str,
        default: Option<&'t str>,
    },
    /// `${file:path}`.
    File(&'t str),
}

/// Fills in what `text` refers to. `$${` stands for `${`; a `$` before anything else is itself.
pub(super) fn expand<'t>(text: &'t str, sources: &Sources<'_>) -> Result<Expanded<'t>, Wrong> {
    if !text.contains("${") {
        return Ok(Expanded { text: Cow::Borrowed(text), foreign: false });
    }
    let mut filled = String::new();
    let mut foreign = false;
    for piece in Pieces(text) {
        match piece? {
            Piece::Literal(literal) => filled.push_str(literal),
            Piece::Variable { name, default } => {
                filled.push_str(&variable(name, default, sources)?);
                foreign = true;
            }
            Piece::File(path) => {
                filled.push_str(&secret(path, sources)?);
                foreign = true;
            }
        }
    }
    Ok(Expanded { text: Cow::Owned(filled), foreign })
}

/// `text` as it may be shown: references stand for what they bring, and so does a reference for its default.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let piece = |piece| match piece {
        Ok(Piece::Literal(literal)) => literal.to_owned(),
        Ok(Piece::Variable { name, .. }) => format!("${{{name}}}"),
        Ok(Piece::File(path)) => format!("${{file:{path}}}"),
        Err(_) => "${…}".to_owned(),
    };
    Cow::Owned(Pieces(text).map(piece).collect())
}

/// Splits a value; ends after the first fault.
struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = Result<Piece<'t>, Wrong>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let Some(start) = text.find("${") else {
            self.0 = "";
            return Some(Ok(Piece::Literal(text)));
        };
        if let Some(before) = text[..start].strip_suffix('$') {
            let end = start + "${".len();
            self.0 = &text[end..];
            // The first `$` is dropped: what stands before it and the `${` after it are literal.
            return Some(Ok(if before.is_empty() {
                Piece::Literal(&text[start..end])
            } else {
                self.0 = &text[before.len()..];
                Piece::Literal(before)
            }));
        }
        if start > 0 {
            self.0 = &text[start..];
            return Some(Ok(Piece::Literal(&text[..start])));
        }
        let Some(end) = text.find('}') else {
            self.0 = "";
            return Some(Err(Wrong {
                problem: "has a `${` without its `}`".into(),
                remedy: "close it, or write `$${` where the text itself is meant".into(),
            }));
        };
        self.0 = &text[end + 1..];
        let piece = reference(&text["${".len()..end]);
        if piece.is_err() {
            self.0 = "";
        }
        Some(piece)
    }
}

/// What stands between `${` and `}`.
fn reference(inside: &str) -> Result<Piece<'_>, Wrong> {
    if let Some(path) = inside.strip_prefix("file:") {
        return Ok(Piece::File(path));
    }
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if default.is_some_and(|default| default.contains("${")) {
        return Err(Wrong {
            problem: format!("the default of {} refers to something itself", quoted(&format!("${{{name}}}"))),
            remedy: "write a plain default after `:-`".into(),
        });
    }
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Wrong {
            problem: format!("{} is no name of an environment variable", quoted(name)),
            remedy: "write `${NAME}`, `${NAME:-default}` or `${file:/path}`, or `$${` for the text itself"
                .into(),
        });
    }
    Ok(Piece::Variable { name, default })
}

fn variable(name: &str, default: Option<&str>, sources: &Sources<'_>) -> Result<String, Wrong> {
    let value = (sources.env)(name);
    match (value, default) {
        (Some(value), None) => Ok(value),
        // As in a shell, `:-` also stands for a variable that is set to nothing.
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Wrong {
            problem: format!("the environment variable {} is not set", quoted(name)),
            remedy: format!("set it, or write a default: {}", quoted(&format!("${{{name}:-…}}"))),
        }),
    }
}

/// The content of a file without the line break at its end, which editors and `echo` leave behind.
fn secret(path: &str, sources: &Sources<'_>) -> Result<String, Wrong> {
    let whole = sources.folder.join(path);
    let content = read_bounded(&whole).map_err(|error| Wrong {
        problem: format!("the file {} cannot be read: {}", quoted(path), cause(&error)),
        remedy: "name a readable file of text, such as a mounted secret".into(),
    })?;
    let line = content.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.unwrap_or(&content).to_owned())
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut content = String::new();
    File::open(path)?.take(MAX_SECRET + 1).read_to_string(&mut content)?;
    if content.len() as u64 > MAX_SECRET {
        return Err(io::Error::other(format!("it is larger than {MAX_SECRET} bytes")));
    }
    Ok(content)
}

/// The cause of a failure in the words of the system, without its number.
pub(super) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".into()),
            "EMPTY" => Some(String::new()),
            "_9" => Some("${A}".into()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, bool), &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in
            [("one", "1"), ("line", "secret\n"), ("dos", "secret\r\n"), ("lines", "a\nb\n\n")]
        {
            std::fs::write(folder.path().join(name), content).expect("a file");
        }
        std::fs::write(folder.path().join("huge"), "x".repeat(MAX_SECRET as usize + 1)).expect("a file");
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("a file");
        let found = expand(text, &Sources { env: &env, folder: folder.path() });
        match (&found, expected) {
            (Ok(found), Ok((text, foreign))) => assert_eq!((&*found.text, found.foreign), (text, foreign)),
            (Err(found), Err(problem)) => assert!(found.problem.contains(problem), "{}", found.problem),
            _ => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn fills_in() {
        check("plain $5 {x}", Ok(("plain $5 {x}", false)));
        check("${A}", Ok(("alpha", true)));
        check("<${A}-${A}>", Ok(("<alpha-alpha>", true)));
        check("${_9}", Ok(("${A}", true))); // once only: what a variable holds is not looked into
        check("${EMPTY}", Ok(("", true)));
        check("${EMPTY:-x}", Ok(("x", true)));
        check("${NONE:-}", Ok(("", true)));
        check("${NONE:-a:-b c}", Ok(("a:-b c", true)));
        check("${A:-x}", Ok(("alpha", true)));
        check("$${A}", Ok(("${A}", false)));
        check("a$${A}b${A}", Ok(("a${A}balpha", true)));
        check("$$${A}", Ok(("$${A}", false)));
        check("$${", Ok(("${", false)));
        check("${file:one}", Ok(("1", true)));
        check("${file:line}", Ok(("secret", true)));
        check("${file:dos}", Ok(("secret", true)));
        check("${file:lines}", Ok(("a\nb\n", true)));
    }

    #[test]
    fn says_what_cannot_be_filled_in() {
        check("${NONE}", Err("the environment variable `NONE` is not set"));
        check("x${A", Err("without its `}`"));
        check("${}", Err("`` is no name"));
        check("${9}", Err("`9` is no name"));
        check("${A-B}", Err("`A-B` is no name"));
        check("${NONE:-${A}}", Err("the default of `${NONE}` refers"));
        check("${file:none}", Err("the file `none` cannot be read: no such file or directory"));
        check("${file:huge}", Err("larger than 65536 bytes"));
        check("${file:binary}", Err("valid UTF-8"));
    }

    #[test]
    fn shows_references_and_not_what_they_bring() {
        for (text, expected) in [
            ("plain", "plain"),
            ("x ${A:-hunter2} y", "x ${A} y"),
            ("${file:/run/token}", "${file:/run/token}"),
            ("$${A}", "${A}"),
            ("${", "${…}"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
