//! Values in JSON, by pointer.

use serde_json::{Number, Value};
use std::borrow::Cow;
use std::fmt;

/// Whole numbers beyond this cannot all be told apart once they are not kept as integers, as most programs do not
/// (RFC 8259, 6).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A JSON document that somebody else wrote: the body of a request or a reply, an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(Value);

impl Json {
    /// Reads a document; `None` when it is none, or nested deeper than anybody means.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    /// The text of a value: of a string what it holds, of a number its [one spelling](number_text), of a boolean how it is
    /// written. `None` for what is not there, for `null`, for what holds values itself, and for a number too large to be told
    /// from its neighbours.
    pub fn text(&self, pointer: &Pointer) -> Option<Cow<'_, str>> {
        match self.0.pointer(&pointer.0)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Value::Number(number) => number_text(number).map(Cow::Owned),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// A number as tags and paths spell it, whoever wrote it: `7`, also for `7.0` and `0.7e1`, as a program with one type for all
/// numbers sends. `None` for one too large to be told from its neighbours.
pub fn number_text(number: &Number) -> Option<String> {
    match number.as_f64().filter(|_| number.is_f64()) {
        None => Some(number.to_string()),
        Some(float) if float.abs() >= EXACT => None,
        // Rust writes whole floats without a point, and no exponents. Zero has one sign.
        Some(float) => Some((float + 0.0).to_string()),
    }
}

/// The way to a value in JSON (RFC 6901): `/category/id`, `/items/0/sku`; `~1` stands for a slash in a name and `~0` for `~`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer(Box<str>);

/// A text that is no pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPointer {
    /// It does not begin with a slash, so at best it means the whole document, whose value is no text.
    #[error("a pointer into JSON begins with `/`")]
    NoSlash,
    /// A tilde stands before something else than `0` or `1`.
    #[error("in a pointer into JSON `~0` stands for `~`, and `~1` for `/`")]
    Tilde,
}

impl Pointer {
    /// Reads a pointer.
    pub fn parse(text: &str) -> Result<Self, BadPointer> {
        if !text.starts_with('/') {
            return Err(BadPointer::NoSlash);
        }
        let escapes = text.split('~').skip(1);
        if escapes.into_iter().any(|behind| !behind.starts_with(['0', '1'])) {
            return Err(BadPointer::Tilde);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_and_only_plain_ones_are_text() {
        const DOCUMENT: &str = r#"{
            "a": {"b": ["x", {"c": "ü y"}], "": "empty name"}, "n": 7, "minus": -1, "big": 18446744073709551615,
            "beyond": 18446744073709551616, "f": 1.5, "t": true, "none": null, "m~n": "tilde", "a/b": "slash", "e": "",
            "twice": 1, "twice": 2, "whole": 7.0, "hundred": 1e2, "tens": 0.7e1, "zero": -0.0, "tiny": 1e-7
        }"#;
        #[track_caller]
        fn check(pointer: &str, expected: Option<&str>) {
            let document = Json::parse(DOCUMENT.as_bytes()).unwrap();
            assert_eq!(document.text(&Pointer::parse(pointer).unwrap()).as_deref(), expected, "{pointer}");
        }
        check("/a/b/0", Some("x"));
        check("/a/b/1/c", Some("ü y"));
        check("/a/", Some("empty name"));
        check("/n", Some("7"));
        check("/minus", Some("-1"));
        check("/big", Some("18446744073709551615"));
        check("/beyond", None);
        check("/f", Some("1.5"));
        check("/whole", Some("7"));
        check("/hundred", Some("100"));
        check("/tens", Some("7"));
        check("/zero", Some("0"));
        check("/tiny", Some("0.0000001"));
        check("/t", Some("true"));
        check("/e", Some(""));
        check("/m~0n", Some("tilde"));
        check("/a~1b", Some("slash"));
        check("/twice", Some("2"));
        check("/none", None);
        check("/a", None);
        check("/a/b", None);
        check("/a/b/2", None);
        check("/a/b/00", None);
        check("/a/b/-", None);
        check("/n/x", None);
        check("/", None);
        check("/missing", None);
    }

    #[test]
    fn documents_that_are_none() {
        for text in ["", "{", "{}x", "\u{feff}{}", "{'a': 1}", "NaN", "\"\u{1}\""] {
            assert_eq!(Json::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Json::parse(b"\"\xff\""), None);
        assert_eq!(Json::parse("[".repeat(100_000).as_bytes()), None);
    }

    #[test]
    fn pointers_that_are_none() {
        for text in ["", "a", "a/b", "#/a"] {
            assert_eq!(Pointer::parse(text), Err(BadPointer::NoSlash), "{text}");
        }
        for text in ["/~", "/~2", "/a~/b", "/~~0"] {
            assert_eq!(Pointer::parse(text), Err(BadPointer::Tilde), "{text}");
        }
        for text in ["/", "/a/b", "/~0~1", "/ü"] {
            assert_eq!(Pointer::parse(text).unwrap().to_string(), text);
        }
    }
}
