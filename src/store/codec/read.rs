//! From bytes to an item.

use super::body::decompress;
use super::{DecodeError, MAGIC, VERSION, flag, kind};
use crate::invalidation::{Bearings, BearingsLayout, Birth, Epoch, Position, SharedFence, Term};
use crate::semantics::{CdnWord, Departure, Freshness, LifetimeSource, Validators, is_entity_tag};
use crate::store::memory::MAX_VARIES_ON;
use crate::store::{Head, RemoteEntry, RemoteItem, Told};
use crate::time::Timestamp;
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use std::time::Duration;

/// Reads what [`encode`](super::encode) wrote for `key`.
///
/// A body that is not compressed is not copied: it is a view into `bytes`, and so keeps the whole of it. One that is
/// larger than `max_body` when decompressed is refused before memory is taken for it.
pub fn decode(bytes: &Bytes, key: &[u8], max_body: usize) -> Result<RemoteItem, DecodeError> {
    let mut reader = Reader { rest: bytes };
    if reader.array().map_err(|_| DecodeError::Magic)? != MAGIC {
        return Err(DecodeError::Magic);
    }
    let version = reader.byte()?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    if u32::from_be_bytes(reader.array()?) != crc32fast::hash(reader.rest) {
        return Err(DecodeError::Checksum);
    }
    let kind = reader.byte()?;
    if reader.long()? != key {
        return Err(DecodeError::Key);
    }
    let item = match kind {
        kind::ENTRY => RemoteItem::Entry(read_entry(&mut reader, bytes, key, None)?),
        kind::COMPRESSED => RemoteItem::Entry(read_entry(&mut reader, bytes, key, Some(max_body))?),
        kind::VARIANTS => RemoteItem::Variants { key: key.into(), names: read_names(&mut reader)?.into() },
        _ => return Err(DecodeError::Number),
    };
    if reader.rest.is_empty() { Ok(item) } else { Err(DecodeError::Length) }
}

/// A reply; its body is compressed if `expand` says how large it may be.
fn read_entry(
    reader: &mut Reader<'_>,
    bytes: &Bytes,
    key: &[u8],
    expand: Option<usize>,
) -> Result<RemoteEntry, DecodeError> {
    let flags = reader.byte()?;
    if flags & !flag::KNOWN != 0 {
        return Err(DecodeError::Number);
    }
    let status = read_status(reader)?;
    let freshness = read_freshness(reader, flags)?;
    let validated_at = reader.time()?;
    let fence = read_fence(reader)?;
    let validators = read_validators(reader, flags)?;
    let bearings = read_bearings(reader, flags)?;
    let told = read_told(reader)?;
    let block = reader.long()?;
    let (length, taken) = (reader.length()?, reader.length()?);
    let stored = reader.take(taken)?;
    let (block, body, held) = match expand {
        Some(max_body) => {
            let whole = decompress(block, stored, length, max_body)?;
            (whole.slice(..block.len()), whole.slice(block.len()..), whole.len())
        }
        None if length == taken => (bytes.slice_ref(block), bytes.slice_ref(stored), bytes.len()),
        None => return Err(DecodeError::Length),
    };
    if status == StatusCode::NO_CONTENT && !body.is_empty() {
        return Err(DecodeError::Status);
    }
    let head = Head::from_block(status, block, held).map_err(|_| DecodeError::Head)?.telling(told);
    Ok(RemoteEntry { key: key.into(), head, body, freshness, validators, validated_at, bearings, fence })
}

/// Only final statuses that are registered or may be are ever stored.
fn read_status(reader: &mut Reader<'_>) -> Result<StatusCode, DecodeError> {
    match u16::from_be_bytes(reader.array()?) {
        status @ 200..=599 => StatusCode::from_u16(status).map_err(|_| DecodeError::Status),
        _ => Err(DecodeError::Status),
    }
}

fn read_freshness(reader: &mut Reader<'_>, flags: u8) -> Result<Freshness, DecodeError> {
    let source = LifetimeSource::EACH.get(usize::from(reader.byte()?)).ok_or(DecodeError::Number)?;
    let departure = match usize::from(reader.byte()?).checked_sub(1) {
        Some(number) => Some(*Departure::EACH.get(number).ok_or(DecodeError::Number)?),
        None => None,
    };
    Ok(Freshness {
        born: reader.time()?,
        lifetime: reader.span()?,
        source: *source,
        stale_while_revalidate: reader.span()?,
        stale_if_error: reader.span()?,
        must_revalidate: flags & flag::MUST_REVALIDATE != 0,
        no_cache: flags & flag::NO_CACHE != 0,
        authorized: flags & flag::AUTHORIZED != 0,
        departure,
    })
}

fn read_fence(reader: &mut Reader<'_>) -> Result<SharedFence, DecodeError> {
    let birth = Birth(u128::from_be_bytes(reader.array()?));
    let term = Term(u32::from_be_bytes(reader.array()?));
    let position = Position::from_u64(u64::from_be_bytes(reader.array()?));
    Ok(SharedFence { epoch: Epoch { birth, term }, position })
}

fn read_validators(reader: &mut Reader<'_>, flags: u8) -> Result<Validators, DecodeError> {
    let date = reader.time()?;
    let last_modified = if flags & flag::LAST_MODIFIED != 0 { Some(reader.time()?) } else { None };
    let etag = if flags & flag::ETAG != 0 { Some(reader.long()?) } else { None };
    if etag.is_some_and(|etag| !is_entity_tag(etag)) {
        return Err(DecodeError::EntityTag);
    }
    Ok(Validators { etag: etag.map(Box::from), last_modified, date })
}

fn read_bearings(reader: &mut Reader<'_>, flags: u8) -> Result<Bearings, DecodeError> {
    let [paths, prefixes] = reader.array()?;
    let tags = usize::from(u16::from_be_bytes(reader.array()?));
    let layout = BearingsLayout { paths, prefixes, any_prefix: flags & flag::ANY_PREFIX != 0 };
    let count = usize::from(paths) + usize::from(prefixes) + 1 + tags;
    let (hashes, _) = reader.take(count * size_of::<u64>())?.as_chunks();
    let hashes = hashes.iter().map(|hash| u64::from_be_bytes(*hash)).collect();
    Bearings::from_hashes(layout, hashes).map_err(|_| DecodeError::Bearings)
}

fn read_told(reader: &mut Reader<'_>) -> Result<Told, DecodeError> {
    let lifetime = CdnWord::EACH.get(usize::from(reader.byte()?)).ok_or(DecodeError::Number)?;
    let readers = u32::from_be_bytes(reader.array()?).try_into().map_err(|_| DecodeError::Number)?;
    Ok(Told { lifetime: *lifetime, readers })
}

/// Names in lower case, each behind the one before it in order.
fn read_names(reader: &mut Reader<'_>) -> Result<Vec<HeaderName>, DecodeError> {
    let count = usize::from(u16::from_be_bytes(reader.array()?));
    if !(1..=MAX_VARIES_ON).contains(&count) {
        return Err(DecodeError::Names);
    }
    let mut names: Vec<HeaderName> = Vec::with_capacity(count);
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes(reader.array()?));
        let name = HeaderName::from_lowercase(reader.take(length)?).map_err(|_| DecodeError::Names)?;
        if names.last().is_some_and(|last| last.as_str() >= name.as_str()) {
            return Err(DecodeError::Names);
        }
        names.push(name);
    }
    Ok(names)
}

/// What is left to be read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Length)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Length)?;
        self.rest = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    fn time(&mut self) -> Result<Timestamp, DecodeError> {
        self.array().map(|millis| Timestamp::from_millis(u64::from_be_bytes(millis)))
    }

    fn span(&mut self) -> Result<Duration, DecodeError> {
        self.array().map(|millis| Duration::from_millis(u64::from_be_bytes(millis)))
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(u64::from_be_bytes(self.array()?)).map_err(|_| DecodeError::Length)
    }

    /// Bytes behind their length.
    fn long(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| DecodeError::Length)?;
        self.take(length)
    }
}
