//! From an item to bytes.

use super::body::compress;
use super::{Compression, MAGIC, PREAMBLE, VERSION, flag, kind};
use crate::invalidation::{Bearings, BearingsLayout, Epoch, SharedFence};
use crate::semantics::{Departure, Freshness, LifetimeSource, Validators};
use crate::store::{RemoteEntry, RemoteItem};
use crate::time::Timestamp;
use http::HeaderName;
use std::time::Duration;

/// Bytes of a reply with a fixed place, rounded up.
const FIXED: usize = 165;

/// An item in the form of version 2.
///
/// Spans lose what is finer than a millisecond. Compressing takes milliseconds for a large body, so this does not belong
/// on the way of a request.
pub fn encode(item: &RemoteItem, compression: Compression) -> Vec<u8> {
    let mut bytes = match item {
        RemoteItem::Entry(entry) => write_entry(entry, compression),
        RemoteItem::Variants { key, names } => write_variants(key, names),
    };
    let checksum = crc32fast::hash(&bytes[PREAMBLE..]);
    bytes[PREAMBLE - 4..PREAMBLE].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// Magic, version, room for the checksum, kind and key.
fn begin(capacity: usize, kind: u8, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(&MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&[0; 4]);
    out.push(kind);
    write_long(&mut out, key);
    out
}

fn write_variants(key: &[u8], names: &[HeaderName]) -> Vec<u8> {
    let length: usize = names.iter().map(|name| 2 + name.as_str().len()).sum();
    let mut out = begin(FIXED + key.len() + length, kind::VARIANTS, key);
    out.extend_from_slice(&short(names.len()).to_be_bytes());
    for name in names {
        out.extend_from_slice(&short(name.as_str().len()).to_be_bytes());
        out.extend_from_slice(name.as_str().as_bytes());
    }
    out
}

fn write_entry(entry: &RemoteEntry, compression: Compression) -> Vec<u8> {
    let RemoteEntry { key, head, body, freshness, validators, validated_at, bearings, fence } = entry;
    let etag = validators.etag.as_ref().map_or(0, |etag| etag.len());
    let capacity = FIXED + key.len() + etag + bearings.heap_size() + head.block().len() + body.len();
    let mut out = begin(capacity, kind::ENTRY, key);
    out.push(flags(freshness, validators, bearings));
    out.extend_from_slice(&head.status().as_u16().to_be_bytes());
    write_freshness(&mut out, freshness);
    write_time(&mut out, *validated_at);
    write_fence(&mut out, fence);
    write_validators(&mut out, validators);
    write_bearings(&mut out, bearings);
    let told = head.told();
    out.push(told.lifetime.number());
    out.extend_from_slice(&u32::from(told.readers).to_be_bytes());
    write_long(&mut out, head.block());
    out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    let stored = out.len();
    out.extend_from_slice(&[0; 8]);
    if compression == Compression::WherePays && compress(&mut out, head, body) {
        out[PREAMBLE] = kind::COMPRESSED;
    } else {
        out.extend_from_slice(body);
    }
    let length = (out.len() - stored - 8) as u64;
    out[stored..stored + 8].copy_from_slice(&length.to_be_bytes());
    out
}

fn flags(freshness: &Freshness, validators: &Validators, bearings: &Bearings) -> u8 {
    [
        (freshness.must_revalidate, flag::MUST_REVALIDATE),
        (freshness.no_cache, flag::NO_CACHE),
        (freshness.authorized, flag::AUTHORIZED),
        (bearings.layout().any_prefix, flag::ANY_PREFIX),
        (validators.etag.is_some(), flag::ETAG),
        (validators.last_modified.is_some(), flag::LAST_MODIFIED),
    ]
    .into_iter()
    .fold(0, |flags, (set, bit)| if set { flags | bit } else { flags })
}

fn write_freshness(out: &mut Vec<u8>, freshness: &Freshness) {
    let Freshness {
        born,
        lifetime,
        source,
        stale_while_revalidate,
        stale_if_error,
        must_revalidate: _,
        no_cache: _,
        authorized: _,
        departure,
    } = freshness;
    out.push(source_number(*source));
    out.push(departure.map_or(0, departure_number));
    write_time(out, *born);
    for span in [lifetime, stale_while_revalidate, stale_if_error] {
        write_span(out, *span);
    }
}

fn write_fence(out: &mut Vec<u8>, fence: &SharedFence) {
    let SharedFence { epoch: Epoch { birth, term }, position } = fence;
    out.extend_from_slice(&birth.0.to_be_bytes());
    out.extend_from_slice(&term.0.to_be_bytes());
    out.extend_from_slice(&position.as_u64().to_be_bytes());
}

fn write_validators(out: &mut Vec<u8>, validators: &Validators) {
    let Validators { etag, last_modified, date } = validators;
    write_time(out, *date);
    if let Some(last_modified) = last_modified {
        write_time(out, *last_modified);
    }
    if let Some(etag) = etag {
        write_long(out, etag);
    }
}

fn write_bearings(out: &mut Vec<u8>, bearings: &Bearings) {
    let BearingsLayout { paths, prefixes, any_prefix: _ } = bearings.layout();
    let tags = bearings.hashes().len() - usize::from(paths) - usize::from(prefixes) - 1;
    out.extend_from_slice(&[paths, prefixes]);
    out.extend_from_slice(&short(tags).to_be_bytes());
    for hash in bearings.hashes() {
        out.extend_from_slice(&hash.to_be_bytes());
    }
}

fn write_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.as_millis().to_be_bytes());
}

fn write_span(out: &mut Vec<u8>, span: Duration) {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    out.extend_from_slice(&millis.to_be_bytes());
}

/// Bytes behind their length.
fn write_long(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("keys and heads come from heads of a mebibyte at most");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A small count. Names, and how many there are of them or of tags, are bounded below 2^16 where they come from.
fn short(count: usize) -> u16 {
    u16::try_from(count).expect("bounded where it comes from")
}

fn source_number(source: LifetimeSource) -> u8 {
    match source {
        LifetimeSource::Origin => 0,
        LifetimeSource::Rule => 1,
        LifetimeSource::Heuristic => 2,
    }
}

/// One more than its place, because 0 is none.
fn departure_number(departure: Departure) -> u8 {
    match departure {
        Departure::Override => 1,
        Departure::SetCookieStripped => 2,
        Departure::SetCookieStored => 3,
        Departure::Sliding => 4,
    }
}
