//! Events as they come: JSON, or the fields of an entry of a stream.

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of an event: it names what changed. Some thousand IDs fit in, and a batch of messages stays a few MiB.
pub const MAX_EVENT: usize = 64 << 10;

/// Fields of an entry that may hold the event, or the rest of it, as JSON: what the clients of streams in use put there.
const BODIES: [&str; 3] = ["data", "payload", "json"];

/// What somebody sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text that should be JSON.
    Json(Vec<u8>),
    /// Names and values, as an entry of a stream has them.
    Fields(Vec<(Vec<u8>, Vec<u8>)>),
}

/// Why a message is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    /// It has too many bytes.
    #[error("it has {0} bytes, and an event may have {MAX_EVENT}")]
    TooLarge(usize),
    /// The text is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// The JSON is something else than an object.
    #[error("it is {0} and not a JSON object such as {{\"event\": \"product_updated\", \"product_id\": 7}}")]
    NotObject(&'static str),
}

/// A JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Event(Value);

impl Message {
    /// The event in it.
    pub fn read(&self) -> Result<Event, BadEvent> {
        match self {
            Self::Json(text) => Event::from_json(text),
            Self::Fields(fields) => Event::from_fields(fields),
        }
    }

    /// Its beginning, as people may read it: `most` bytes at most.
    pub fn excerpt(&self, most: usize) -> String {
        let text: Cow<'_, [u8]> = match self {
            Self::Json(text) => text.into(),
            Self::Fields(fields) => {
                let mut text = Vec::new();
                for (name, value) in fields {
                    if text.len() > most {
                        break;
                    }
                    let gap: &[u8] = if text.is_empty() { b"" } else { b" " };
                    let parts = [gap, name, b"=", &value[..value.len().min(most)]];
                    text.extend(parts.concat());
                }
                text.into()
            }
        };
        let cut = String::from_utf8_lossy(&text[..text.len().min(most)]);
        if text.len() > most { format!("{cut}…") } else { cut.into_owned() }
    }
}

impl Event {
    /// From JSON. Nested a hundred levels deep it is refused, as `serde_json` does by itself.
    pub fn from_json(text: &[u8]) -> Result<Self, BadEvent> {
        if text.len() > MAX_EVENT {
            return Err(BadEvent::TooLarge(text.len()));
        }
        match serde_json::from_slice(text) {
            Ok(object @ Value::Object(_)) => Ok(Self(object)),
            Ok(other) => Err(BadEvent::NotObject(kind_of(&other))),
            Err(error) => Err(BadEvent::NotJson(error.to_string())),
        }
    }

    /// From the fields of an entry: each is a member of the object. Its value is a text, or the list or object that it is as
    /// JSON, which clients write for what is no text to them. A name that stands there several times is a list of its values, and
    /// of the items of those that are lists. Where `data`, `payload` or `json` holds an object its members count as if they were
    /// fields, behind the fields of the same names. Fields that are not UTF-8 are left out.
    pub fn from_fields(fields: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, BadEvent> {
        let size = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MAX_EVENT {
            return Err(BadEvent::TooLarge(size));
        }
        let texts = fields.iter().filter_map(|(name, value)| {
            Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
        });
        let mut values = BTreeMap::<&str, Vec<Value>>::new();
        let mut body = Map::new();
        for (name, value) in texts {
            if BODIES.contains(&name) && value.trim_start().starts_with('{') {
                let Self(Value::Object(members)) = Self::from_json(value.as_bytes())? else { continue };
                body.extend(members);
            } else {
                values.entry(name).or_default().push(value_of(value));
            }
        }
        for (name, mut values) in values {
            let value = match values.len() {
                1 => values.remove(0),
                _ => Value::Array(values.into_iter().flat_map(items).collect()),
            };
            body.insert(name.to_owned(), value);
        }
        Ok(Self(Value::Object(body)))
    }

    /// The value of a member, or with a `/` in front of what a pointer leads to (RFC 6901).
    pub fn get(&self, name: &str) -> Option<&Value> {
        if name.starts_with('/') { self.0.pointer(name) } else { self.0.get(name) }
    }
}

/// What the text of a field stands for. A number or a boolean stays the text that it is: it is spelled alike in tags and paths, and
/// `007` would not be.
fn value_of(text: &str) -> Value {
    let structured = text.trim_start().starts_with(['[', '{']);
    structured.then(|| serde_json::from_str(text).ok()).flatten().unwrap_or_else(|| text.into())
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        other => vec![other],
    }
}

/// What a value is, in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_objects_or_say_what_they_are() {
        #[track_caller]
        fn check(text: &str, want: &Result<Value, &str>) {
            match (Event::from_json(text.as_bytes()), want) {
                (Ok(Event(got)), Ok(want)) => assert_eq!(got, *want, "{text}"),
                (Err(got), Err(want)) => assert!(got.to_string().contains(*want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
        check(r#"{"event":"x","a":[1]}"#, &Ok(json!({ "event": "x", "a": [1] })));
        check("{}", &Ok(json!({})));
        check("", &Err("not JSON: EOF"));
        check("product_updated 7", &Err("not JSON"));
        check(r#"{"event":"x"} y"#, &Err("trailing"));
        check("[]", &Err("it is a list and not"));
        check("7", &Err("it is a number and not"));
        check(&format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)), &Err("recursion limit"));
        check(&format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_EVENT)), &Err("65544 bytes"));
    }

    #[test]
    fn entries_are_objects() {
        #[track_caller]
        fn check(fields: &[(&str, &[u8])], want: &Result<Value, BadEvent>) {
            let fields: Vec<_> =
                fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
            assert_eq!(Event::from_fields(&fields).map(|event| event.0), *want, "{fields:?}");
        }
        check(&[], &Ok(json!({})));
        check(&[("event", b"x"), ("id", b"7")], &Ok(json!({ "event": "x", "id": "7" })));
        check(&[("id", b"7"), ("id", b"8"), ("id", b"9")], &Ok(json!({ "id": ["7", "8", "9"] })));
        check(&[("id", b" [7, \"8\"]")], &Ok(json!({ "id": [7, "8"] })));
        check(&[("id", b"[7,8]"), ("id", b"9"), ("id", b"{}")], &Ok(json!({ "id": [7, 8, "9", {}] })));
        check(&[("id", b"[]")], &Ok(json!({ "id": [] })));
        check(&[("category", br#"{"id":1}"#)], &Ok(json!({ "category": { "id": 1 } })));
        for text in ["[7,8", "[sale] 7", "{id}", "7", "true", "\"7\"", "007"] {
            check(&[("id", text.as_bytes())], &Ok(json!({ "id": text })));
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        check(&[("id", deep.as_bytes())], &Ok(json!({ "id": deep })));
        for body in BODIES {
            check(&[(body, br#" {"event":"x","id":7}"#)], &Ok(json!({ "event": "x", "id": 7 })));
        }
        check(
            &[("event", b"x"), ("data", br#"{"event":"y","id":7}"#)],
            &Ok(json!({ "event": "x", "id": 7 })),
        );
        check(&[("data", b"7")], &Ok(json!({ "data": "7" })));
        check(&[("a", b"\xff"), ("b", b"1")], &Ok(json!({ "b": "1" })));
        check(&[("a", &[b'x'; MAX_EVENT])], &Err(BadEvent::TooLarge(MAX_EVENT + 1)));
        let broken = BadEvent::NotJson("EOF while parsing an object at line 1 column 1".into());
        check(&[("data", b"{")], &Err(broken));
    }

    #[test]
    fn members_and_what_pointers_lead_to() {
        let event = Event(json!({ "id": 7, "a": { "b/c": [1, { "d": 2 }] }, "": { "": 3 } }));
        assert_eq!(event.get("id"), Some(&json!(7)));
        assert_eq!(event.get("/id"), Some(&json!(7)));
        assert_eq!(event.get("/a/b~1c/1/d"), Some(&json!(2)));
        assert_eq!(event.get("//"), Some(&json!(3)));
        assert_eq!(event.get("/a/b~1c/7"), None);
        assert_eq!(event.get("a.b"), None);
    }

    #[test]
    fn excerpts_are_bounded() {
        #[track_caller]
        fn check(message: &Message, want: &str) {
            assert_eq!(message.excerpt(10), want);
        }
        check(&Message::Json(b"{}".to_vec()), "{}");
        check(&Message::Json(b"0123456789".to_vec()), "0123456789");
        check(&Message::Json(b"0123456789a".to_vec()), "0123456789…");
        check(&Message::Json(b"012345678\xc3\xa9".to_vec()), "012345678\u{fffd}…");
        let field = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        check(&Message::Fields(vec![field("a", "1"), field("b", "2")]), "a=1 b=2");
        check(&Message::Fields(vec![field("a", &"x".repeat(99)), field("b", "2")]), "a=xxxxxxxx…");
    }
}
