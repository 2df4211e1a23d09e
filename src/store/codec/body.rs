//! Compressing bodies where it pays.

use super::DecodeError;
use crate::store::Head;
use crate::store::bytes::shared;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use std::cell::RefCell;
use std::io::Cursor;
use zstd::bulk::{Compressor, Decompressor};

/// The smallest body that is compressed. A kibibyte less some hundred bytes would cost every hit two microseconds, a fifth
/// of all that it takes (`benches/codec.rs`).
const SMALLEST: usize = 2 << 10;

/// Measured on JSON of a shop (`benches/codec.rs`): level 3 takes a tenth longer to save three bytes more in a hundred, and
/// the fastest level leaves a quarter more bytes.
const LEVEL: i32 = 1;

thread_local! {
    // A context takes some hundred kilobytes and longer to make than a small body to be compressed.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// Appends `body` to `out`, compressed; leaves `out` as it was if that does not pay.
pub(super) fn compress(out: &mut Vec<u8>, head: &Head, body: &[u8]) -> bool {
    if body.len() < SMALLEST || is_compressed(head) {
        return false;
    }
    // No room is given for more than nine tenths, so what does not pay ends early.
    let start = out.len();
    out.resize(start + body.len() / 10 * 9, 0);
    let written = COMPRESSOR
        .with_borrow_mut(|compressor| compressor.as_mut()?.compress_to_buffer(body, &mut out[start..]).ok());
    out.truncate(start + written.unwrap_or(0));
    written.is_some()
}

/// `block`, and behind it what `stored` was before it was compressed: `length` bytes, `most` at most.
pub(super) fn decompress(
    block: &[u8],
    stored: &[u8],
    length: usize,
    most: usize,
) -> Result<Bytes, DecodeError> {
    if length > most {
        return Err(DecodeError::TooLarge);
    }
    let mut whole = Vec::with_capacity(block.len() + length);
    whole.extend_from_slice(block);
    let mut room = Cursor::new(whole);
    room.set_position(block.len() as u64);
    let written = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress_to_buffer(stored, &mut room).ok());
    match written {
        Some(written) if written == length => Ok(shared(room.into_inner())),
        _ => Err(DecodeError::Compression),
    }
}

/// Whether the body is compressed already, by its coding or by the nature of its type. Types that are not known may be
/// anything, and trying tells.
fn is_compressed(head: &Head) -> bool {
    if head.get(&CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return true;
    }
    let Some(value) = head.get(&CONTENT_TYPE) else { return false };
    let essence =
        value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match essence.as_slice() {
        // Text and plain pixels among the images.
        b"image/svg+xml" | b"image/bmp" | b"image/x-icon" | b"image/vnd.microsoft.icon" => false,
        b"font/woff" | b"font/woff2" | b"application/font-woff" | b"application/pdf" => true,
        b"application/zip" | b"application/gzip" | b"application/zstd" | b"application/x-7z-compressed" => {
            true
        }
        b"application/x-gzip" | b"application/x-bzip2" | b"application/x-xz" | b"application/vnd.rar" => true,
        essence => [&b"image/"[..], b"video/", b"audio/"].iter().any(|family| essence.starts_with(family)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};

    #[test]
    fn what_is_compressed_already_is_left_alone() {
        #[track_caller]
        fn check(fields: &[(&'static str, &'static str)], expected: bool) {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_compressed(&Head::new(StatusCode::OK, &headers)), expected, "{fields:?}");
        }
        check(&[], false);
        check(&[("content-type", "application/json")], false);
        check(&[("content-type", "text/html; charset=utf-8")], false);
        check(&[("content-type", "image/svg+xml")], false);
        check(&[("content-type", "application/octet-stream")], false);
        check(&[("content-type", "IMAGE/PNG; a=b")], true);
        check(&[("content-type", " video/mp4 ")], true);
        check(&[("content-type", "font/woff2")], true);
        check(&[("content-type", "application/json"), ("content-encoding", "gzip")], true);
        check(&[("content-type", "application/json"), ("content-encoding", "Identity")], false);
    }

    #[test]
    fn only_what_pays_is_compressed() {
        #[track_caller]
        fn check(body: &[u8], pays: bool) {
            let mut out = b"before".to_vec();
            let head = Head::new(StatusCode::OK, &HeaderMap::new());
            assert_eq!(compress(&mut out, &head, body), pays, "{} bytes", body.len());
            assert!(out.starts_with(b"before"));
            if pays {
                assert!(out.len() - 6 <= body.len() / 10 * 9);
                let whole = decompress(b"block", &out[6..], body.len(), body.len()).unwrap();
                assert_eq!(whole, [b"block", body].concat());
            } else {
                assert_eq!(out.len(), 6);
            }
        }
        let mut noise = [0; 4096];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        check(&[b'a'; SMALLEST], true);
        check(&[b'a'; SMALLEST - 1], false);
        check(&noise, false);
        check(&[&noise[..], &[0; 800]].concat(), true);
        check(&[&noise[..], &[0; 300]].concat(), false);
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], LEVEL).unwrap();
        assert!(bomb.len() < 16 << 10);
        assert_eq!(decompress(b"", &bomb, 64 << 20, 8 << 20), Err(DecodeError::TooLarge));
        assert_eq!(decompress(b"", &bomb, usize::MAX, 8 << 20), Err(DecodeError::TooLarge));
        for lie in [0, 1, 8 << 20] {
            assert_eq!(decompress(b"", &bomb, lie, 8 << 20), Err(DecodeError::Compression));
        }
        let short = zstd::bulk::compress(b"short", LEVEL).unwrap();
        assert_eq!(decompress(b"", &short, 6, 8 << 20), Err(DecodeError::Compression));
        assert_eq!(decompress(b"", b"not zstd", 5, 8 << 20), Err(DecodeError::Compression));
        assert_eq!(decompress(b"", b"", 5, 8 << 20), Err(DecodeError::Compression));
    }
}
