use super::*;
use crate::invalidation::{Bearings, Birth, Epoch, Position, SharedFence, Term};
use crate::semantics::{CdnWord, Departure, Freshness, LifetimeSource, Validators};
use crate::store::{Head, RemoteEntry, RemoteItem, Told};
use crate::time::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use proptest::prelude::*;
use std::time::Duration;

const KEY: &[u8] = b"http shop.test /p";
const MOST: usize = 1 << 20;

fn head(fields: &[(&'static str, &'static str)]) -> Head {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Head::new(StatusCode::OK, &headers)
}

/// A reply in which everything is set and nothing equals anything else.
fn full(body: &[u8]) -> RemoteEntry {
    RemoteEntry {
        key: KEY.into(),
        head: head(&[("content-type", "application/json"), ("x-a", "b")])
            .telling(Told { lifetime: CdnWord::Replaced, readers: 0x11 }),
        body: Bytes::copy_from_slice(body),
        freshness: Freshness {
            born: Timestamp::from_millis(0x0101),
            lifetime: Duration::from_millis(0x0202),
            source: LifetimeSource::Heuristic,
            stale_while_revalidate: Duration::from_millis(0x0303),
            stale_if_error: Duration::from_millis(0x0404),
            must_revalidate: true,
            no_cache: false,
            authorized: true,
            departure: Some(Departure::SetCookieStripped),
        },
        validators: Validators {
            etag: Some(b"W/\"x\"".as_slice().into()),
            last_modified: Some(Timestamp::from_millis(0x0707)),
            date: Timestamp::from_millis(0x0606),
        },
        validated_at: Timestamp::from_millis(0x0505),
        bearings: Bearings::new("shop.test", "/p", "route", ["t"]).unwrap(),
        fence: SharedFence {
            epoch: Epoch { birth: Birth(0x0a0b << 64 | 0x0c0d), term: Term(7) },
            position: Position::from_u64(0x0e0f),
        },
    }
}

/// A reply with as little as a reply has.
fn bare() -> RemoteEntry {
    let full = full(b"");
    RemoteEntry {
        head: head(&[]),
        freshness: Freshness {
            must_revalidate: false,
            authorized: false,
            no_cache: true,
            departure: None,
            ..full.freshness
        },
        validators: Validators::default(),
        bearings: Bearings::of_target("h", &"/a/..".repeat(40).replace('a', "abc"), "r"),
        ..full
    }
}

fn variants(names: &[&'static str]) -> RemoteItem {
    RemoteItem::Variants {
        key: KEY.into(),
        names: names.iter().copied().map(HeaderName::from_static).collect(),
    }
}

fn items() -> Vec<RemoteItem> {
    let climbing: String = (0..40).map(|n| format!("/{n}/..")).collect();
    vec![
        RemoteItem::Entry(full(b"body")),
        RemoteItem::Entry(full(&b"again and ".repeat(200))),
        RemoteItem::Entry(bare()),
        RemoteItem::Entry(RemoteEntry {
            bearings: Bearings::of_target("h", &climbing, "r"),
            ..full(b"any prefix")
        }),
        variants(&["accept", "x-own"]),
    ]
}

fn read(bytes: &[u8]) -> Result<RemoteItem, DecodeError> {
    decode(&Bytes::copy_from_slice(bytes), KEY, MOST)
}

#[track_caller]
fn assert_same(one: &RemoteItem, other: &RemoteItem) {
    // A new head has an allocation of its own, which makes them alike.
    let shown = |item: &RemoteItem| match item.clone() {
        RemoteItem::Entry(entry) => {
            let head = Head::new(entry.head.status(), &entry.head.to_headers());
            format!("{:?}", RemoteEntry { head, ..entry })
        }
        marker @ RemoteItem::Variants { .. } => format!("{marker:?}"),
    };
    assert_eq!(shown(one), shown(other));
}

/// `bytes` with the checksum that belongs to them, so that what lies behind it is put to the test.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&bytes[PREAMBLE..]);
    bytes[PREAMBLE - 4..PREAMBLE].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

#[test]
fn items_come_back() {
    for item in items() {
        for compression in [Compression::Off, Compression::WherePays] {
            let bytes = encode(&item, compression);
            assert_same(&read(&bytes).unwrap(), &item);
        }
    }
}

/// Whoever has to change this gives the form a new version: nodes of several versions share a Redis while a fleet is
/// being updated, and what one of them writes the others must read rightly or not at all.
#[test]
fn version_2_is_this() {
    let entry = [
        b"LRDR\x02".as_slice(),
        &[0xb7, 0x73, 0x20, 0x39],
        b"\x00",
        b"\x00\x00\x00\x11http shop.test /p",
        b"\x35\x00\xc8\x02\x02",
        &[0, 0, 0, 0, 0, 0, 1, 1],
        &[0, 0, 0, 0, 0, 0, 2, 2],
        &[0, 0, 0, 0, 0, 0, 3, 3],
        &[0, 0, 0, 0, 0, 0, 4, 4],
        &[0, 0, 0, 0, 0, 0, 5, 5],
        &[0, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0, 0, 0, 0, 0, 0x0c, 0x0d],
        &[0, 0, 0, 7],
        &[0, 0, 0, 0, 0, 0, 0x0e, 0x0f],
        &[0, 0, 0, 0, 0, 0, 6, 6],
        &[0, 0, 0, 0, 0, 0, 7, 7],
        b"\x00\x00\x00\x05W/\"x\"",
        &[1, 2, 0, 1],
        &0x06f7_3dd0_cd4b_7f49_u64.to_be_bytes(),
        &0xe54b_4883_109f_5511_u64.to_be_bytes(),
        &0xde2c_39fe_3485_f550_u64.to_be_bytes(),
        &0x6354_ddba_5bda_38d4_u64.to_be_bytes(),
        &0x422b_1e57_a434_caf3_u64.to_be_bytes(),
        &[2, 0, 0, 0, 0x11],
        b"\x00\x00\x00\x28content-type: application/json\r\nx-a: b\r\n",
        &[0, 0, 0, 0, 0, 0, 0, 4],
        &[0, 0, 0, 0, 0, 0, 0, 4],
        b"body",
    ]
    .concat();
    let item = RemoteItem::Entry(full(b"body"));
    assert_eq!(
        encode(&item, Compression::WherePays).escape_ascii().to_string(),
        entry.escape_ascii().to_string()
    );
    assert_same(&read(&entry).unwrap(), &item);

    let marker = [
        b"LRDR\x02".as_slice(),
        &[0x76, 0xcd, 0x17, 0x79],
        b"\x02",
        b"\x00\x00\x00\x11http shop.test /p",
        b"\x00\x02\x00\x06accept\x00\x05x-own",
    ]
    .concat();
    let item = variants(&["accept", "x-own"]);
    assert_eq!(encode(&item, Compression::Off).escape_ascii().to_string(), marker.escape_ascii().to_string());
    assert_same(&read(&marker).unwrap(), &item);
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed() {
    for item in items() {
        let bytes = encode(&item, Compression::WherePays);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "cut to {length}");
        }
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                changed[at] = bytes[at] ^ change;
                assert!(read(&changed).is_err(), "byte {at} changed by {change}");
            }
            changed[at] = bytes[at];
        }
        assert!(read(&[&bytes[..], b"x"].concat()).is_err());
    }
}

#[test]
fn each_fault_has_its_name() {
    #[track_caller]
    fn check(bytes: impl AsRef<[u8]>, expected: DecodeError) {
        assert_eq!(read(bytes.as_ref()).err(), Some(expected));
        assert!(!expected.as_str().is_empty());
    }
    let good = encode(&RemoteItem::Entry(full(b"body")), Compression::Off);
    // Behind the key stands the flags' byte, and everything else in its order.
    let flags = PREAMBLE + 1 + 4 + KEY.len();
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        sealed(bytes)
    };
    check(b"", DecodeError::Magic);
    check(b"OK", DecodeError::Magic);
    check(b"{\"json\":1}", DecodeError::Magic);
    check(patched(4, &[0]), DecodeError::Version(0));
    check(patched(4, &[1]), DecodeError::Version(1));
    check(patched(4, &[3]), DecodeError::Version(3));
    check(&good[..7], DecodeError::Length);
    check(&good[..good.len() - 1], DecodeError::Checksum);
    check(sealed(good[..good.len() - 1].to_vec()), DecodeError::Length);
    check(sealed([&good[..], b"x"].concat()), DecodeError::Length);
    check(patched(PREAMBLE, &[3]), DecodeError::Number);
    check(patched(PREAMBLE + 1, &[0xff; 4]), DecodeError::Length);
    check(patched(PREAMBLE + 5, b"x"), DecodeError::Key);
    check(patched(flags, &[0x40]), DecodeError::Number);
    check(patched(flags + 1, &[0, 199]), DecodeError::Status);
    check(patched(flags + 1, &600_u16.to_be_bytes()), DecodeError::Status);
    check(patched(flags + 1, &204_u16.to_be_bytes()), DecodeError::Status);
    check(patched(flags + 3, &[3]), DecodeError::Number);
    check(patched(flags + 4, &[5]), DecodeError::Number);
    let etag = flags + 5 + 5 * 8 + 28 + 16;
    check(patched(etag + 4, b"x"), DecodeError::EntityTag);
    check(patched(etag + 9, &[0]), DecodeError::Bearings);
    let told = etag + 9 + 4 + 5 * 8;
    check(patched(told, &[3]), DecodeError::Number);
    let head = told + 5;
    check(patched(head + 4, b"C"), DecodeError::Head);
    let body = good.len() - 4 - 16;
    check(patched(body, &[0xff; 8]), DecodeError::Length);
    check(patched(body + 8, &[0xff; 8]), DecodeError::Length);
    check(patched(PREAMBLE, &[kind::COMPRESSED]), DecodeError::Compression);

    let large = encode(&RemoteItem::Entry(full(&vec![b'a'; MOST + 1])), Compression::WherePays);
    assert!(large.len() < 4096, "a body that is compressed");
    check(large, DecodeError::TooLarge);

    let own = encode(&RemoteItem::Entry(full(b"body")), Compression::Off);
    assert_eq!(decode(&Bytes::from(own), b"http shop.test /q", MOST).err(), Some(DecodeError::Key));

    let many: Vec<&'static str> = (0..17).map(|n| &*format!("x-{n:02}").leak()).collect();
    for names in [&[][..], &["b", "a"], &["a", "a"], &many] {
        check(encode(&variants(names), Compression::Off), DecodeError::Names);
    }
    let mut upper = encode(&variants(&["accept"]), Compression::Off);
    let at = upper.len() - 6;
    upper[at] = b'A';
    check(sealed(upper), DecodeError::Names);
}

#[test]
fn a_body_is_a_view_and_weighed_with_all_that_it_keeps() {
    let long = vec![b'x'; 40 << 10];
    let bytes = Bytes::from(encode(&RemoteItem::Entry(full(&long)), Compression::Off));
    let Ok(RemoteItem::Entry(decoded)) = decode(&bytes, KEY, MOST) else { panic!("it was written so") };
    assert!(bytes.as_ptr_range().contains(&decoded.body.as_ptr()));
    assert_eq!(decoded.head.held(), bytes.len());
    let fence = crate::invalidation::Fence::default();
    let entry = decoded.into_entry(fence);
    assert!(bytes.as_ptr_range().contains(&entry.body.as_ptr()), "a large body is not copied");
    let own = full(&long).into_entry(fence);
    assert!(
        entry.weight() > own.weight() + 7000,
        "what stands before it takes another step of the allocator"
    );
    assert_eq!(RemoteEntry::of(&entry, full(b"").fence).head.held(), bytes.len());
}

#[test]
fn a_small_entry_lets_go_of_the_bytes_it_came_from() {
    for (length, compression) in [
        (0, Compression::Off),
        (10, Compression::Off),
        (4000, Compression::Off),
        (4000, Compression::WherePays),
    ] {
        let own = full(&vec![b'x'; length]);
        let bytes = Bytes::from(encode(&RemoteItem::Entry(own.clone()), compression));
        let Ok(RemoteItem::Entry(decoded)) = decode(&bytes, KEY, MOST) else { panic!("it was written so") };
        let place = decoded.body.as_ptr();
        let entry = decoded.into_entry(crate::invalidation::Fence::default());
        assert!(bytes.is_unique(), "{length}");
        assert_eq!(entry.weight(), own.into_entry(crate::invalidation::Fence::default()).weight());
        if compression == Compression::WherePays {
            assert_eq!(entry.body.as_ptr(), place, "what was decompressed beside its head stays there");
        }
    }
}

fn any_entry() -> impl Strategy<Value = RemoteEntry> {
    let times = prop::array::uniform8(any::<u64>());
    let choices =
        (0..LifetimeSource::EACH.len(), 0..=Departure::EACH.len(), any::<[bool; 4]>(), 200..600_u16);
    let fields = prop::collection::vec(("[a-z]{1,9}-x", "[ -~\u{80}-\u{ff}\t]{0,30}"), 0..9);
    let bearings = ("(/[a-z.]{0,3}){0,20}", prop::collection::vec("[a-z]{1,9}", 0..9));
    let fence = (any::<u128>(), any::<u32>());
    let etag = prop::option::of("(W/)?\"[!#-~]{0,9}\"");
    (prop::collection::vec(any::<u8>(), 0..40), times, choices, fields, bearings, fence, etag, ".{0,3000}")
        .prop_map(
            |(
                key,
                times,
                (source, departure, [a, b, c, d], status),
                fields,
                (path, tags),
                (birth, term),
                etag,
                body,
            )| {
                let [born, lifetime, swr, sie, validated, date, modified, position] = times;
                let mut headers = HeaderMap::new();
                for (name, value) in fields {
                    let name = HeaderName::try_from(name).unwrap();
                    headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
                }
                let status = StatusCode::from_u16(status).unwrap();
                RemoteEntry {
                    key: key.into(),
                    head: Head::new(status, &headers)
                        .telling(Told { lifetime: CdnWord::EACH[source], readers: term as u8 }),
                    body: if status == StatusCode::NO_CONTENT { Bytes::new() } else { Bytes::from(body) },
                    freshness: Freshness {
                        born: Timestamp::from_millis(born),
                        lifetime: Duration::from_millis(lifetime),
                        source: LifetimeSource::EACH[source],
                        stale_while_revalidate: Duration::from_millis(swr),
                        stale_if_error: Duration::from_millis(sie),
                        must_revalidate: a,
                        no_cache: b,
                        authorized: c,
                        departure: Departure::EACH.get(departure).copied(),
                    },
                    validators: Validators {
                        etag: etag.map(|etag| etag.into_bytes().into()),
                        last_modified: d.then(|| Timestamp::from_millis(modified)),
                        date: Timestamp::from_millis(date),
                    },
                    validated_at: Timestamp::from_millis(validated),
                    bearings: Bearings::new("h", &path, "r", tags.iter().map(String::as_str)).unwrap(),
                    fence: SharedFence {
                        epoch: Epoch { birth: Birth(birth), term: Term(term) },
                        position: Position::from_u64(position),
                    },
                }
            },
        )
}

proptest! {
    #[test]
    fn any_entry_comes_back(entry in any_entry()) {
        let item = RemoteItem::Entry(entry);
        for compression in [Compression::Off, Compression::WherePays] {
            let bytes = Bytes::from(encode(&item, compression));
            assert_same(&decode(&bytes, item.key(), MOST).unwrap(), &item);
        }
    }

    #[test]
    fn any_cut_and_any_change_of_any_entry_is_noticed(
        entry in any_entry(), at in any::<prop::sample::Index>(), change in 1..=u8::MAX
    ) {
        let bytes = encode(&RemoteItem::Entry(entry.clone()), Compression::WherePays);
        let at = at.index(bytes.len());
        prop_assert!(decode(&Bytes::copy_from_slice(&bytes[..at]), &entry.key, MOST).is_err());
        let mut changed = bytes;
        changed[at] ^= change;
        prop_assert!(decode(&Bytes::from(changed), &entry.key, MOST).is_err());
    }

    /// One item has one form: what is read, though it was forged, is written the same again.
    #[test]
    fn forged_bytes_are_refused_or_read_to_the_letter(
        which in 0..5_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode(&items()[which], Compression::Off);
        let length = bytes.len();
        for (at, byte) in changes {
            bytes[PREAMBLE + at.index(length - PREAMBLE)] = byte;
        }
        let bytes = sealed(bytes);
        if let Ok(item) = read(&bytes)
            && bytes[PREAMBLE] != kind::COMPRESSED
        {
            prop_assert_eq!(encode(&item, Compression::Off), bytes);
        }
    }

    #[test]
    fn anything_at_all_is_refused(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&noise).is_err());
        let preamble = [&MAGIC[..], &[VERSION], &[0; 4]].concat();
        let _ = read(&sealed([preamble, noise].concat()));
    }
}
