//! What the server says of a stream, read with checks.

use crate::events::Message;
use redis::Value;

/// An entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    /// `None`: it was deleted since it was handed out.
    pub(super) message: Option<Message>,
}

/// An entry that was handed out and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsettled {
    pub(super) id: String,
    /// Milliseconds since it was handed out.
    pub(super) idle: u64,
    /// How often it was handed out.
    pub(super) times: u64,
}

/// The answer is of another form than this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What `XREADGROUP` of one stream says: nothing, or entries; an array of pairs, or a map where RESP3 is spoken.
pub(super) fn read_reply(reply: &Value) -> Result<Vec<Entry>, Malformed> {
    match reply {
        Value::Nil => Ok(Vec::new()),
        Value::Map(streams) => match streams.as_slice() {
            [(_, list)] => entries(list),
            _ => Err(Malformed),
        },
        Value::Array(streams) => match streams.as_slice() {
            [] => Ok(Vec::new()),
            [Value::Array(pair)] if pair.len() == 2 => entries(&pair[1]),
            _ => Err(Malformed),
        },
        _ => Err(Malformed),
    }
}

/// A list of entries. Servers before Redis 7 have nothing in the place of those that are gone.
pub(super) fn entries(list: &Value) -> Result<Vec<Entry>, Malformed> {
    array(list)?.iter().filter(|entry| **entry != Value::Nil).map(entry).collect()
}

fn entry(entry: &Value) -> Result<Entry, Malformed> {
    let [id, fields] = array(entry)? else { return Err(Malformed) };
    let message = match fields {
        Value::Nil => None,
        fields => {
            let fields = array(fields)?;
            let pairs = fields.chunks_exact(2).map(|pair| Ok((bytes(&pair[0])?, bytes(&pair[1])?)));
            if fields.len() % 2 != 0 {
                return Err(Malformed);
            }
            Some(Message::Fields(pairs.collect::<Result<_, _>>()?))
        }
    };
    Ok(Entry { id: text(id)?, message })
}

/// A list of IDs.
pub(super) fn ids(list: &Value) -> Result<Vec<String>, Malformed> {
    array(list)?.iter().filter(|id| **id != Value::Nil).map(text).collect()
}

/// What `XPENDING` says of single entries.
pub(super) fn unsettled(list: &Value) -> Result<Vec<Unsettled>, Malformed> {
    let one = |row: &Value| match array(row)? {
        [id, _, idle, times] => Ok(Unsettled { id: text(id)?, idle: count(idle)?, times: count(times)? }),
        _ => Err(Malformed),
    };
    array(list)?.iter().map(one).collect()
}

fn array(value: &Value) -> Result<&[Value], Malformed> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Malformed),
    }
}

fn bytes(value: &Value) -> Result<Vec<u8>, Malformed> {
    match value {
        Value::BulkString(bytes) => Ok(bytes.clone()),
        Value::SimpleString(text) => Ok(text.clone().into_bytes()),
        _ => Err(Malformed),
    }
}

fn text(value: &Value) -> Result<String, Malformed> {
    String::from_utf8(bytes(value)?).map_err(|_| Malformed)
}

fn count(value: &Value) -> Result<u64, Malformed> {
    match value {
        Value::Int(number) => u64::try_from(*number).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn list(items: &[Value]) -> Value {
        Value::Array(items.to_vec())
    }

    #[test]
    fn entries_are_read_in_both_protocols() {
        let fields = list(&[word("event"), word("x"), word("id"), word("7")]);
        let entries = list(&[list(&[word("1-0"), fields]), list(&[word("2-0"), Value::Nil]), Value::Nil]);
        let pairs = [("event", "x"), ("id", "7")].map(|(name, value)| (name.into(), value.into()));
        let want = Ok(vec![
            Entry { id: "1-0".into(), message: Some(Message::Fields(pairs.to_vec())) },
            Entry { id: "2-0".into(), message: None },
        ]);
        assert_eq!(read_reply(&list(&[list(&[word("s"), entries.clone()])])), want);
        assert_eq!(read_reply(&Value::Map(vec![(word("s"), entries)])), want);
        assert_eq!(read_reply(&Value::Nil), Ok(vec![]));
        assert_eq!(read_reply(&list(&[])), Ok(vec![]));
    }

    #[test]
    fn what_is_handed_out_is_read() {
        let row = list(&[word("1-0"), word("node"), Value::Int(31_000), Value::Int(2)]);
        let want = Unsettled { id: "1-0".into(), idle: 31_000, times: 2 };
        assert_eq!(unsettled(&list(&[row])), Ok(vec![want]));
        assert_eq!(ids(&list(&[word("1-0"), Value::Nil])), Ok(vec!["1-0".to_owned()]));
    }

    #[test]
    fn what_is_of_another_form_is_refused() {
        let odd = list(&[list(&[word("1-0"), list(&[word("event")])])]);
        for reply in [Value::Okay, Value::Int(1), list(&[word("s")]), list(&[list(&[word("s"), odd])])] {
            assert_eq!(read_reply(&reply), Err(Malformed), "{reply:?}");
        }
        let short = list(&[list(&[word("1-0"), word("node"), Value::Int(-1), Value::Int(1)])]);
        assert_eq!(unsettled(&short), Err(Malformed));
        assert_eq!(unsettled(&list(&[list(&[word("1-0")])])), Err(Malformed));
        assert_eq!(ids(&Value::Nil), Err(Malformed));
    }
}
