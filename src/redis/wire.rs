//! How what scripts answer is read, as the untrusted bytes it is.

use crate::invalidation::Position;
use redis::Value;

/// Bits of the sequence in a position.
const SEQUENCE_BITS: u32 = 20;

/// Something that no script of this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is kept in Redis is not in the form that it is written in")]
pub(super) struct Malformed;

/// `milliseconds-sequence`, which is also the ID of its record in the stream.
pub(super) fn id_of(position: Position) -> String {
    let position = position.as_u64();
    format!("{}-{}", position >> SEQUENCE_BITS, position & ((1 << SEQUENCE_BITS) - 1))
}

/// The first ID that is later: Redis before 6.2 has no ranges without their ends. The sequence may be one that no position
/// has, but IDs have room for it.
pub(super) fn id_after(position: Position) -> String {
    let position = position.as_u64();
    format!("{}-{}", position >> SEQUENCE_BITS, (position & ((1 << SEQUENCE_BITS) - 1)) + 1)
}

/// Reads [`id_of`].
pub(super) fn position(value: &Value) -> Result<Position, Malformed> {
    position_of(bytes(value)?)
}

/// The same of its text.
pub(super) fn position_of(text: &[u8]) -> Result<Position, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed)?;
    let (millis, sequence) = text.split_once('-').ok_or(Malformed)?;
    let millis: u64 = millis.parse().map_err(|_| Malformed)?;
    let sequence: u64 = sequence.parse().map_err(|_| Malformed)?;
    if millis >> (u64::BITS - SEQUENCE_BITS) != 0 || sequence >> SEQUENCE_BITS != 0 {
        return Err(Malformed);
    }
    Ok(Position::from_u64(millis << SEQUENCE_BITS | sequence))
}

/// The values in an answer.
pub(super) fn array(value: &Value) -> Result<&[Value], Malformed> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(Malformed),
    }
}

/// A word, or bytes.
pub(super) fn bytes(value: &Value) -> Result<&[u8], Malformed> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.as_bytes()),
        _ => Err(Malformed),
    }
}
