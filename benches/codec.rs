//! What it costs to write and read the form in which entries stand in Redis, beside a bare copy of as many bytes.

#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use larder::invalidation::{Bearings, Birth, Epoch, Fence, Position, SharedFence, Term};
use larder::semantics::{Freshness, LifetimeSource, Validators};
use larder::store::{Compression, Head, RemoteEntry, RemoteItem, decode, encode};
use larder::time::Timestamp;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEY: &[u8] = b"http shop.example.com /api/v1/products?page=7";

fn codec(criterion: &mut Criterion) {
    for (size, length) in [("1 KiB", 1 << 10), ("100 KiB", 100 << 10)] {
        let mut group = criterion.benchmark_group(size);
        group.throughput(Throughput::Bytes(length as u64));
        let body = products(length);
        group.bench_function("copy", |bencher| bencher.iter(|| black_box(&body).to_vec()));
        for (name, compression) in [("plain", Compression::Off), ("zstd", Compression::WherePays)] {
            let item = RemoteItem::Entry(entry(&body));
            let bytes = Bytes::from(encode(&item, compression));
            println!("{size}, {name}: {} bytes", bytes.len());
            group.bench_function(format!("encode, {name}"), |bencher| {
                bencher.iter(|| encode(black_box(&item), compression));
            });
            group.bench_function(format!("decode, {name}"), |bencher| {
                bencher.iter(|| decode(black_box(&bytes), KEY, 1 << 20).is_ok());
            });
            group.bench_function(format!("decode to an entry, {name}"), |bencher| {
                bencher.iter(|| match decode(black_box(&bytes), KEY, 1 << 20) {
                    Ok(RemoteItem::Entry(entry)) => entry.into_entry(Fence::default()),
                    other => unreachable!("an entry was written: {other:?}"),
                });
            });
        }
        group.finish();
    }
}

/// What the levels of compression cost and save, to choose one by.
fn levels(criterion: &mut Criterion) {
    for (size, length) in [("2 KiB", 2 << 10), ("100 KiB", 100 << 10)] {
        let body = products(length);
        let mut group = criterion.benchmark_group(format!("levels, {size}"));
        group.throughput(Throughput::Bytes(length as u64));
        for level in [-1, 1, 3] {
            let mut compressor = zstd::bulk::Compressor::new(level).expect("a level of zstd");
            let small = compressor.compress(&body).expect("enough room");
            println!("{size}, level {level}: {} bytes", small.len());
            group.bench_function(format!("compress, {level}"), |bencher| {
                bencher.iter(|| compressor.compress(black_box(&body)).is_ok());
            });
            let mut decompressor = zstd::bulk::Decompressor::new().expect("memory");
            group.bench_function(format!("decompress, {level}"), |bencher| {
                bencher.iter(|| decompressor.decompress(black_box(&small), length).is_ok());
            });
        }
        group.finish();
    }
}

/// A page of a shop in JSON, with numbers and names that do not repeat like those of a made-up text.
fn products(length: usize) -> Bytes {
    let words =
        ["wool", "linen", "oak", "steel", "navy", "amber", "small", "tall", "chair", "lamp", "coat", "desk"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut text = String::from("{\"products\":[");
    while text.len() < length {
        let mut word = || words[draw(words.len() as u64) as usize];
        let (a, b, c) = (word(), word(), word());
        let (id, price, stock) = (draw(1 << 40), draw(100_000), draw(500));
        let _ = write!(
            text,
            "{{\"id\":\"{id:010x}\",\"name\":\"{a} {b} {c}\",\"price\":{{\"amount\":{}.{:02},\"currency\":\"EUR\"}},\
             \"stock\":{stock},\"image\":\"/images/{id:010x}.jpg\",\"tags\":[\"{b}\",\"{c}\"]}},",
            price / 100,
            price % 100,
        );
    }
    text.truncate(length);
    Bytes::from(text)
}

fn entry(body: &Bytes) -> RemoteEntry {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "public, max-age=300"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("etag", "\"0123456789abcdef\""),
        ("surrogate-key", "product:7 catalog"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    RemoteEntry {
        key: KEY.into(),
        head: Head::new(StatusCode::OK, &headers),
        body: body.clone(),
        freshness: Freshness {
            born: Timestamp::ZERO,
            lifetime: Duration::from_secs(300),
            source: LifetimeSource::Origin,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: false,
            no_cache: false,
            authorized: false,
            departure: None,
        },
        validators: Validators::of_reply(&headers, Timestamp::ZERO),
        validated_at: Timestamp::ZERO,
        bearings: Bearings::new("shop.example.com", "/api/v1/products", "products", ["product:7", "catalog"])
            .expect("two tags"),
        fence: SharedFence {
            epoch: Epoch { birth: Birth(7), term: Term(1) },
            position: Position::from_u64(1),
        },
    }
}

criterion_group!(benches, codec, levels);
criterion_main!(benches);
