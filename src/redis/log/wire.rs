//! How purges, records and the head are written in Redis, and read back as the untrusted bytes they are.

pub(super) use crate::redis::wire::{Malformed, bytes, id_after, id_of, position};

use crate::fleet::{Beat, Due, Head, Marks, NodeId, Peer, Record, RecordId, StoreError, TABLE_SLOTS};
use crate::invalidation::{Birth, Epoch, IntentId, Kind, Mode, Names, Position, Purge, Term, table_slots};
use crate::redis::wire::{array, position_of};
use redis::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

impl From<Malformed> for StoreError {
    fn from(malformed: Malformed) -> Self {
        Self::Unavailable(malformed.to_string())
    }
}

/// Birth and term, 20 bytes.
pub(super) fn epoch_bytes(epoch: Epoch) -> Vec<u8> {
    let mut bytes = epoch.birth.0.to_be_bytes().to_vec();
    bytes.extend(epoch.term.0.to_be_bytes());
    bytes
}

fn epoch(bytes: &[u8]) -> Result<Epoch, Malformed> {
    let (birth, term) = bytes.split_at_checked(16).ok_or(Malformed)?;
    let term = u32::from_be_bytes(term.try_into().map_err(|_| Malformed)?);
    Ok(Epoch { birth: Birth(number(birth)?), term: Term(term) })
}

/// Of intents, nodes and births.
fn number(bytes: &[u8]) -> Result<u128, Malformed> {
    bytes.try_into().map(u128::from_be_bytes).map_err(|_| Malformed)
}

/// One after the other.
pub(super) fn purges_bytes(purges: &[Purge]) -> Vec<u8> {
    purges.iter().flat_map(|purge| purge.to_bytes()).collect()
}

fn purges(bytes: &[u8]) -> Result<Arc<[Purge]>, Malformed> {
    let (purges, rest) = bytes.as_chunks::<{ Purge::SIZE }>();
    if purges.is_empty() || !rest.is_empty() {
        return Err(Malformed);
    }
    purges.iter().map(|purge| Purge::from_bytes(purge).ok_or(Malformed)).collect()
}

/// What a record does to the tables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raised {
    /// Where the slots to be raised are in the strings of the tables, hard and soft: 4 bytes each.
    pub(super) offsets: [Vec<u8>; 2],
    /// Whether everything is purged, hard and soft.
    pub(super) all: [bool; 2],
}

/// Bytes before the first slot of a table: the birth of its log.
const TABLE_HEADER: usize = 16;

pub(super) fn raised(purges: &[Purge]) -> Raised {
    let mut raised = Raised { offsets: [Vec::new(), Vec::new()], all: [false; 2] };
    for purge in purges {
        let mode = mode_index(purge.mode);
        if purge.kind == Kind::All {
            raised.all[mode] = true;
            continue;
        }
        for slot in table_slots(purge.hash, TABLE_SLOTS) {
            let offset = u32::try_from(TABLE_HEADER + slot * 8).expect("a table has 8 MiB");
            raised.offsets[mode].extend(offset.to_be_bytes());
        }
    }
    raised
}

/// 0 for hard, 1 for soft.
pub(super) const fn mode_index(mode: Mode) -> usize {
    match mode {
        Mode::Hard => 0,
        Mode::Soft => 1,
    }
}

/// Slots of a table.
pub(super) fn slots(value: &Value) -> Result<Vec<Position>, Malformed> {
    let (slots, rest) = bytes(value)?.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Malformed);
    }
    Ok(slots.iter().map(|slot| Position::from_u64(u64::from_be_bytes(*slot))).collect())
}

/// What can be wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadRecord {
    /// It is of another log, or of a later term than the reader's.
    Foreign,
    /// It was not written by a script.
    Malformed,
}

impl From<Malformed> for BadRecord {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What `XREAD` of the one stream says: nothing, or records; an array of pairs, or a map where RESP3 is spoken.
pub(super) fn read_reply(reply: &Value, reader: Epoch) -> Result<Vec<Record>, BadRecord> {
    let entries = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Map(streams) => match streams.as_slice() {
            [(_, entries)] => entries,
            _ => return Err(BadRecord::Malformed),
        },
        Value::Array(streams) => match streams.as_slice() {
            [Value::Array(pair)] if pair.len() == 2 => &pair[1],
            _ => return Err(BadRecord::Malformed),
        },
        _ => return Err(BadRecord::Malformed),
    };
    records(entries, reader)
}

/// Gives records their names, from entries of the stream of names. There is one for each that has any, and as they stand
/// under the positions of their records, as many of them reach as far. What is no name of a record is passed over: it is the
/// record that purges.
pub(super) fn name(records: &mut [Record], entries: &Value) {
    let entries = array(entries).unwrap_or_default();
    let mut names: HashMap<_, _> = entries.iter().filter_map(names_of).collect();
    for record in records {
        if let Some(names) = names.remove(&(record.position, record.id)) {
            record.names = names;
        }
    }
}

fn names_of(entry: &Value) -> Option<((Position, RecordId), Names)> {
    let [id, fields] = array(entry).ok()? else { return None };
    let fields = array(fields).ok()?.iter().map(bytes).collect::<Result<Vec<_>, _>>().ok()?;
    let [b"id", record, b"names", names] = fields.as_slice() else { return None };
    Some(((position(id).ok()?, RecordId(number(record).ok()?)), Names::from_bytes(names)))
}

/// Entries of the stream. Those of earlier terms belong to it: the present term inherited them.
pub(super) fn records(entries: &Value, reader: Epoch) -> Result<Vec<Record>, BadRecord> {
    array(entries)?.iter().map(|entry| record(entry, reader)).collect()
}

fn record(entry: &Value, reader: Epoch) -> Result<Record, BadRecord> {
    let [id, fields] = array(entry)? else { return Err(BadRecord::Malformed) };
    let fields = array(fields)?.iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
    let [b"previous", previous, b"id", name, b"urgent", urgent, b"purges", blob, b"epoch", written] =
        fields.as_slice()
    else {
        return Err(BadRecord::Malformed);
    };
    let written = epoch(written)?;
    if written.birth != reader.birth || written.term > reader.term {
        return Err(BadRecord::Foreign);
    }
    let record = Record {
        position: position(id)?,
        previous: position_of(previous)?,
        id: RecordId(number(name)?),
        purges: purges(blob)?,
        names: Names::NONE,
        urgent: match *urgent {
            b"0" => false,
            b"1" => true,
            _ => return Err(BadRecord::Malformed),
        },
    };
    if record.previous >= record.position {
        return Err(BadRecord::Malformed);
    }
    Ok(record)
}

/// Birth, term, last, all hard, all soft, ends.
pub(super) fn head(fields: &[Value]) -> Result<Head, Malformed> {
    let [birth, term, last, ends, marks @ ..] = fields else { return Err(Malformed) };
    let (hard, soft) = marks.split_at_checked(Kind::EACH.len()).ok_or(Malformed)?;
    let term = std::str::from_utf8(bytes(term)?).map_err(|_| Malformed)?;
    let ends = bytes(ends)?.split(|byte| *byte == b' ').filter(|end| !end.is_empty());
    let head = Head {
        birth: Birth(number(bytes(birth)?)?),
        term: Term(term.parse().map_err(|_| Malformed)?),
        ends: ends.map(position_of).collect::<Result<_, _>>()?,
        last: position(last)?,
        marks: [marks_of(hard)?, marks_of(soft)?],
    };
    let as_many_as_terms = u32::try_from(head.ends.len()).ok().and_then(|n| n.checked_add(1));
    let sorted = head.ends.is_sorted() && head.ends.last().is_none_or(|end| *end <= head.last);
    if as_many_as_terms != Some(head.term.0) || !sorted {
        return Err(Malformed);
    }
    Ok(head)
}

/// When each kind was last purged; never, where nothing stands there.
fn marks_of(fields: &[Value]) -> Result<Marks, Malformed> {
    let marks = fields.iter().map(|mark| match mark {
        Value::Nil => Ok(Position::START),
        mark => position(mark),
    });
    marks.collect::<Result<Vec<_>, _>>()?.try_into().map_err(|_| Malformed)
}

/// Last, nodes with what they have applied, intents with whether it is the last time, what they purge and its names; the log's age
/// in milliseconds.
pub(super) fn beat(fields: &[Value]) -> Result<Beat, Malformed> {
    let [last, peers, due, Value::Int(age)] = fields else { return Err(Malformed) };
    let (peers, odd) = array(peers)?.as_chunks::<2>();
    let (due, rest) = array(due)?.as_chunks::<4>();
    if !odd.is_empty() || !rest.is_empty() {
        return Err(Malformed);
    }
    let peer = |[node, applied]: &[Value; 2]| {
        Ok(Peer { node: NodeId(number(bytes(node)?)?), applied: position(applied)? })
    };
    let intent = |[id, last, blob, names]: &[Value; 4]| {
        // What an intent purges is not known if its bytes are not: then it is everything, for CDNs too.
        let (purges, names) = match purges(bytes(blob)?) {
            Ok(purges) => (purges, Names::from_bytes(bytes(names)?)),
            Err(_) => (Arc::from([Purge::everything()]), Names::everything()),
        };
        Ok(Due { id: IntentId(number(bytes(id)?)?), purges, names, last: bytes(last)? == b"1" })
    };
    Ok(Beat {
        last: position(last)?,
        peers: peers.iter().map(peer).collect::<Result<_, _>>()?,
        due: due.iter().map(intent).collect::<Result<_, _>>()?,
        age: Duration::from_millis(age.unsigned_abs()),
    })
}

/// The first field of a head, where the rest of it cannot be read.
pub(super) fn birth(fields: &[Value]) -> Option<Birth> {
    fields.first().and_then(|birth| number(bytes(birth).ok()?).ok()).map(Birth)
}

/// Whether a script appended a record.
pub(super) fn wrote(reply: &Value) -> bool {
    answer(reply, "at").is_ok()
}

/// What a script answered behind its first word, if that is one of `expected`; otherwise what the word means.
pub(super) fn answer<'a>(reply: &'a Value, expected: &str) -> Result<&'a [Value], StoreError> {
    let [word, rest @ ..] = array(reply)? else { return Err(Malformed.into()) };
    match (bytes(word)?, rest) {
        (word, rest) if word == expected.as_bytes() => Ok(rest),
        (b"moved", _) => Err(StoreError::Moved),
        (b"layout", [number]) => Err(match std::str::from_utf8(bytes(number)?).map(str::parse) {
            Ok(Ok(number)) => StoreError::Layout(number),
            _ => Malformed.into(),
        }),
        (b"replica", _) => Err(unavailable("the server is a replica")),
        (b"full", _) => Err(unavailable("the log keeps no more intents")),
        (b"spent", _) => Err(unavailable("there are no positions left")),
        _ => Err(Malformed.into()),
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}

#[cfg(test)]
mod tests;
