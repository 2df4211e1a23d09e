//! The records of the journal, and their frames.

use crate::invalidation::{Names, Position};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the file begins with, followed by the version in four bytes, little-endian.
const MAGIC: [u8; 12] = *b"larder-spool";

/// The version of frames and records that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What each frame begins with, so that whole ones can be found behind a damaged one. Payloads are UTF-8, which has no 0xff.
const MARK: [u8; 4] = [0xff, b'L', b'S', 0xff];

/// Bytes of mark, length and checksum.
const FRAME: usize = 12;

/// Bytes of a payload at most: names of [`MAX_NAMES`](super::names::MAX_NAMES), each byte escaped, and all the rest. A length
/// beyond it is damage, and no memory is asked for by it.
const MAX_PAYLOAD: usize = 16 << 20;

/// One step of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Record {
    /// From here on these are the CDNs that every purge is queued for.
    Cdns(Vec<Box<str>>),
    /// This is to be purged at `due` unless it is settled before; it was said `within` before that.
    Intent {
        id: u64,
        #[serde(with = "time")]
        due: Timestamp,
        within: u64,
        #[serde(with = "names")]
        names: Names,
    },
    /// Intents that came to nothing.
    Withdraw(Vec<u64>),
    /// A purge for every CDN, and the intents that are settled by it.
    Append {
        id: u64,
        #[serde(with = "position")]
        position: Position,
        #[serde(with = "time")]
        at: Timestamp,
        #[serde(with = "names")]
        names: Names,
        settles: Vec<u64>,
    },
    /// Jobs that a CDN has taken.
    Settle { cdn: Box<str>, jobs: Vec<u64> },
    /// Jobs that become dead letters.
    Bury {
        cdn: Box<str>,
        jobs: Vec<u64>,
        #[serde(with = "time")]
        at: Timestamp,
        reason: Box<str>,
    },
    /// All dead letters are jobs again, numbered from `first` on.
    Retry {
        cdn: Box<str>,
        first: u64,
        #[serde(with = "time")]
        at: Timestamp,
    },
    /// A job, in a journal that was written anew.
    Job {
        cdn: Box<str>,
        id: u64,
        #[serde(with = "position")]
        position: Position,
        #[serde(with = "time")]
        at: Timestamp,
        #[serde(with = "names")]
        names: Names,
    },
    /// A dead letter, in a journal that was written anew.
    Dead {
        cdn: Box<str>,
        id: u64,
        #[serde(with = "position")]
        position: Position,
        #[serde(with = "time")]
        at: Timestamp,
        #[serde(with = "names")]
        names: Names,
        #[serde(with = "time")]
        buried: Timestamp,
        reason: Box<str>,
        /// It stands for letters that had no room.
        #[serde(default)]
        widened: bool,
    },
    /// The last numbers given out, in a journal that was written anew.
    Last { job: u64, intent: u64 },
}

/// Why a file is no journal that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoJournal {
    /// Something else wrote it.
    Foreign,
    /// A version of Larder that this one does not know.
    Version(u32),
    /// A frame is whole, and what it says is not known.
    Unknown {
        /// Where it stands.
        offset: usize,
    },
}

/// How a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a whole frame.
    Whole,
    /// What stands from here on was being written when the machine died. Nobody was told that it is kept.
    Torn(usize),
    /// What stands from here on is damaged, and whole frames stand behind it: records are lost that somebody relied on.
    Damaged(usize),
}

/// The head of a journal.
pub(super) fn header() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes
}

/// Puts the frame of a record behind `bytes`.
pub(super) fn encode(record: &Record, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend([0; FRAME]);
    serde_json::to_writer(&mut *bytes, record).expect("records can be written into memory");
    let payload = bytes.len() - start - FRAME;
    let length = u32::try_from(payload).expect("names and lists of a record are bounded");
    bytes[start..start + 4].copy_from_slice(&MARK);
    bytes[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(length, &bytes[start + FRAME..]);
    bytes[start + 8..start + FRAME].copy_from_slice(&sum.to_le_bytes());
}

/// Reads the records of a journal in their order, up to the first bad frame.
pub(super) fn decode(bytes: &[u8], mut each: impl FnMut(&Record)) -> Result<End, NoJournal> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(NoJournal::Foreign)?;
    let version = *rest.first_chunk().ok_or(NoJournal::Foreign)?;
    match u32::from_le_bytes(version) {
        VERSION => {}
        other => return Err(NoJournal::Version(other)),
    }
    let mut offset = MAGIC.len() + version.len();
    while offset < bytes.len() {
        let Some(payload) = frame(&bytes[offset..]) else {
            let lost = marks(&bytes[offset + 1..]).any(|behind| frame(behind).is_some());
            return Ok(if lost { End::Damaged(offset) } else { End::Torn(offset) });
        };
        // Its checksum is right, so this is what was written, and by somebody who knew more.
        let record = serde_json::from_slice(payload).map_err(|_| NoJournal::Unknown { offset })?;
        each(&record);
        offset += FRAME + payload.len();
    }
    Ok(End::Whole)
}

/// The payload of the frame that `bytes` begin with, if it is whole.
fn frame(bytes: &[u8]) -> Option<&[u8]> {
    let (head, rest) = bytes.split_first_chunk::<FRAME>()?;
    let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let payload = rest.get(..usize::try_from(length).ok().filter(|length| *length <= MAX_PAYLOAD)?)?;
    let whole = [m0, m1, m2, m3] == MARK && u32::from_le_bytes([c0, c1, c2, c3]) == checksum(length, payload);
    whole.then_some(payload)
}

/// Where frames may begin.
fn marks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK).map(|(at, _)| &bytes[at..])
}

/// Over the length too, so that a damaged one is not believed.
fn checksum(length: u32, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

mod time {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.as_millis())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        u64::deserialize(from).map(Timestamp::from_millis)
    }
}

mod position {
    use super::Position;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(position: &Position, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(position.as_u64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Position, D::Error> {
        u64::deserialize(from).map(Position::from_u64)
    }
}

mod names {
    use super::Names;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    pub(super) fn serialize<S: Serializer>(names: &Names, to: S) -> Result<S::Ok, S::Error> {
        // Names that are no text were never written by this program; whoever reads them finds no names, and purges everything.
        to.serialize_str(&String::from_utf8_lossy(names.as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Names, D::Error> {
        Cow::<str>::deserialize(from).map(|text| Names::from_bytes(text.as_bytes()))
    }
}
