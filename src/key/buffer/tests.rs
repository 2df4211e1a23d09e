use super::{COOKIE, FORMAT, HEADER, KeyBuf, REGION, RequestTarget, Scheme, VARIANT, frame::read};
use crate::key::{KeyHash, KeyRule, NamePattern, QueryRule, RegionRule, VaryInput};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::prelude::*;
use std::sync::Arc;

/// A field's name and value.
type Field = (Vec<u8>, Option<Vec<u8>>);

/// Everything that a key says, read back from its bytes.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    scheme: u8,
    authority: Vec<u8>,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    fingerprint: Option<Vec<u8>>,
    inputs: Vec<(u8, Vec<u8>, Option<Vec<u8>>)>,
    variant: Option<Vec<Field>>,
}

/// The one way to read a key.
fn read_back(key: &[u8]) -> Said {
    let rest = &mut &key[..];
    assert_eq!(read::take(rest, 1), [FORMAT]);
    let scheme = read::take(rest, 1)[0];
    let (authority, path) = (read::part(rest), read::part(rest));
    let (query, fingerprint) = (read::optional(rest), read::optional(rest));
    let (mut inputs, mut variant) = (Vec::new(), None);
    while !rest.is_empty() {
        assert!(variant.is_none(), "nothing follows a variant's fields");
        match read::take(rest, 1)[0] {
            REGION => inputs.push((REGION, Vec::new(), read::optional(rest))),
            kind @ (HEADER | COOKIE) => inputs.push((kind, read::part(rest), read::optional(rest))),
            VARIANT => {
                let count = read::length(rest);
                variant = Some((0..count).map(|_| (read::part(rest), read::optional(rest))).collect());
            }
            kind => panic!("no such kind: {kind}"),
        }
    }
    Said { scheme, authority, path, query, fingerprint, inputs, variant }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    lines.iter().map(line).collect()
}

fn key(rule: &KeyRule, url: (&str, &str, Option<&str>), headers: &HeaderMap) -> KeyBuf {
    let (authority, path, query) = url;
    let mut key = KeyBuf::default();
    key.set(rule, &RequestTarget { scheme: Scheme::Http, authority, path, query, headers });
    key
}

fn varying(inputs: Vec<VaryInput>) -> KeyRule {
    let map = [("DE".to_owned(), "eu".to_owned())].into();
    let region = RegionRule { header: HeaderName::from_static("x-country"), map, default: "us".to_owned() };
    KeyRule::new(QueryRule::default(), inputs, Some(Arc::new(region)))
}

#[test]
fn a_plain_key_fits_into_one_block_of_its_hash() {
    let key =
        key(&KeyRule::default(), ("shop.example.com", "/api/v1/products/42", Some("a=1")), &HeaderMap::new());
    let mut expected = vec![1, 0, 16];
    expected.extend_from_slice(b"shop.example.com\x13/api/v1/products/42\x04a=1\0");
    assert_eq!(key.as_bytes(), expected);
    assert!(expected.len() <= 64);
    assert_eq!(key.hash(), KeyHash::of(&expected));
    assert_eq!(KeyBuf::of(&expected).hash(), key.hash());
}

#[test]
fn every_part_of_the_url_makes_a_difference() {
    let none = HeaderMap::new();
    let rule = KeyRule::default();
    let urls = [
        ("a", "/b", None),
        ("a", "/b", Some("")),
        ("a", "/b", Some("c")),
        ("a", "/b?c", None),
        ("a", "/bc", None),
        ("a/", "b", None),
        ("b", "/b", None),
        ("a", "/B", None),
        ("a", "/%62", None),
        ("a", "/b/", None),
    ];
    for (place, one) in urls.iter().enumerate() {
        for (other_place, other) in urls.iter().enumerate() {
            let equal = key(&rule, *one, &none).as_bytes() == key(&rule, *other, &none).as_bytes();
            assert_eq!(equal, place == other_place, "{one:?} {other:?}");
        }
    }
    let mut secure = KeyBuf::default();
    secure.set(
        &rule,
        &RequestTarget { scheme: Scheme::Https, authority: "a", path: "/b", query: None, headers: &none },
    );
    assert_ne!(secure.hash(), key(&rule, urls[0], &none).hash());
}

#[test]
fn vary_inputs_make_a_difference_in_their_normal_form() {
    let language = || VaryInput::Header(header::ACCEPT_LANGUAGE);
    let rule = varying(vec![VaryInput::Region, language(), VaryInput::Cookie("currency".into())]);
    let said =
        |lines: &[(&str, &str)]| read_back(key(&rule, ("a", "/", None), &headers(lines)).as_bytes()).inputs;
    for (lines, region, language, currency) in [
        (&[][..], "us", None, None),
        (&[("x-country", "de"), ("cookie", "a=1; currency=EUR")], "eu", None, Some("EUR")),
        (&[("accept-language", "de ,en"), ("accept-language", "fr")], "us", Some("de, en, fr"), None),
        (&[("accept-language", ""), ("cookie", "currency=")], "us", Some(""), Some("")),
    ] {
        let expected = [
            (REGION, Vec::new(), Some(region.into())),
            (HEADER, b"accept-language".to_vec(), language.map(Into::into)),
            (COOKIE, b"currency".to_vec(), currency.map(Into::into)),
        ];
        assert_eq!(said(lines), expected, "{lines:?}");
    }
}

#[test]
fn a_header_and_a_cookie_of_one_name_are_two_things() {
    let lines = headers(&[("x", "1"), ("cookie", "x=1")]);
    let header = varying(vec![VaryInput::Header(HeaderName::from_static("x"))]);
    let cookie = varying(vec![VaryInput::Cookie("x".into())]);
    assert_ne!(key(&header, ("a", "/", None), &lines).hash(), key(&cookie, ("a", "/", None), &lines).hash());
}

#[test]
fn a_variant_adds_what_the_origin_named() {
    let none = HeaderMap::new();
    let names = [header::ACCEPT_ENCODING, header::ACCEPT];
    let variant = |names: &[HeaderName], lines: &[(&str, &str)]| {
        let mut key = key(&KeyRule::default(), ("a", "/", None), &none);
        key.push_variant(names, &headers(lines));
        key
    };
    let same = variant(&names, &[("accept-encoding", "gzip, br")]);
    assert_eq!(variant(&names, &[("accept-encoding", "BR,gzip")]).as_bytes(), same.as_bytes());
    for other in [
        key(&KeyRule::default(), ("a", "/", None), &none),
        variant(&[], &[]),
        variant(&names, &[]),
        variant(&names, &[("accept-encoding", "")]),
        variant(&names, &[("accept-encoding", "gzip, br"), ("accept", "")]),
        variant(&names[..1], &[("accept-encoding", "gzip, br")]),
    ] {
        assert_ne!(other.as_bytes(), same.as_bytes());
    }
    let said = read_back(same.as_bytes()).variant;
    assert_eq!(
        said,
        Some(vec![(b"accept-encoding".to_vec(), Some(b"br, gzip".to_vec())), (b"accept".to_vec(), None)])
    );
}

#[test]
fn a_rule_that_folds_otherwise_has_keys_of_its_own() {
    let ignoring = |name: &str| {
        let ignore = vec![NamePattern::Exact(name.into())];
        KeyRule::new(QueryRule { ignore, ..QueryRule::default() }, vec![], None)
    };
    let said = |rule: &KeyRule| read_back(key(rule, ("a", "/", None), &HeaderMap::new()).as_bytes());
    assert_eq!(said(&KeyRule::default()).fingerprint, None);
    assert_eq!(said(&ignoring("page")), said(&ignoring("page")));
    for other in [KeyRule::default(), ignoring("pages"), varying(vec![VaryInput::Region])] {
        assert_ne!(said(&ignoring("page")).fingerprint, said(&other).fingerprint);
    }
}

#[test]
fn a_buffer_is_used_again_and_gives_back_what_one_request_took() {
    let none = HeaderMap::new();
    let target =
        |query| RequestTarget { scheme: Scheme::Http, authority: "a", path: "/", query, headers: &none };
    let rule = KeyRule::new(QueryRule { sort: true, ..QueryRule::default() }, vec![], None);
    let huge = "b&a&".repeat(100_000);
    let mut buffer = KeyBuf::default();
    buffer.set(&rule, &target(Some("b=1&a=2")));
    let first = buffer.as_bytes().to_vec();
    buffer.push_variant(&[header::ACCEPT], &none);
    let place = buffer.as_bytes().as_ptr();
    buffer.set(&rule, &target(Some("a=2&b=1")));
    assert_eq!((buffer.as_bytes(), buffer.as_bytes().as_ptr()), (&first[..], place));

    buffer.set(&rule, &target(Some(&huge)));
    assert!(buffer.bytes.capacity() > 400_000);
    buffer.set(&rule, &target(Some("a=2&b=1")));
    assert_eq!(buffer.as_bytes(), first);
    assert!(buffer.bytes.capacity() + buffer.scratch.text.capacity() <= 32 * 1024);
}

fn text() -> impl Strategy<Value = String> {
    // Few characters, those among them that frames are made of, so that parts collide wherever they can.
    prop::collection::vec(prop::sample::select(&["a", "b", "/", "\0", "\u{1}", "\u{2}", "\u{4}"][..]), 0..5)
        .prop_map(|parts| parts.concat())
}

#[derive(Clone, Debug)]
struct AnyRequest {
    secure: bool,
    authority: String,
    path: String,
    query: Option<String>,
    inputs: Vec<VaryInput>,
    lines: Vec<(&'static str, &'static str)>,
    variant: Option<Vec<HeaderName>>,
}

const FIELDS: [HeaderName; 3] = [HeaderName::from_static("a"), HeaderName::from_static("ab"), header::COOKIE];

fn a_request() -> impl Strategy<Value = AnyRequest> {
    let field = || prop::sample::select(FIELDS.to_vec());
    let input = prop_oneof![
        Just(VaryInput::Region),
        field().prop_map(VaryInput::Header),
        prop::sample::select(&["a", "ab"][..]).prop_map(|name| VaryInput::Cookie(name.into())),
    ];
    let line = (
        prop::sample::select(&["a", "ab", "cookie", "x-country"][..]),
        prop::sample::select(&["", "a", "b", "a=", "a=b", "ab=b", "DE"][..]),
    );
    let lists = (
        prop::collection::vec(input, 0..3),
        prop::collection::vec(line, 0..3),
        prop::option::of(prop::collection::vec(field(), 0..3)),
    );
    (any::<bool>(), text(), text(), prop::option::of(text()), lists).prop_map(
        |(secure, authority, path, query, (inputs, lines, variant))| AnyRequest {
            secure,
            authority,
            path,
            query,
            inputs,
            lines,
            variant,
        },
    )
}

impl AnyRequest {
    fn key(&self) -> (KeyBuf, Said) {
        let rule = varying(self.inputs.clone());
        let headers = headers(&self.lines);
        let scheme = if self.secure { Scheme::Https } else { Scheme::Http };
        let (authority, path, query) = (self.authority.as_str(), self.path.as_str(), self.query.as_deref());
        let target = RequestTarget { scheme, authority, path, query, headers: &headers };
        let mut key = KeyBuf::default();
        key.set(&rule, &target);
        if let Some(names) = &self.variant {
            key.push_variant(names, &headers);
        }
        let scratch = &mut crate::key::scratch::Scratch::default();
        let inputs = self.inputs.iter().map(|input| {
            let value = rule.value(input, &headers, scratch).map(<[u8]>::to_vec);
            match input {
                VaryInput::Region => (REGION, Vec::new(), value),
                VaryInput::Header(name) => (HEADER, name.as_str().into(), value),
                VaryInput::Cookie(name) => (COOKIE, name.as_str().into(), value),
            }
        });
        let inputs = inputs.collect();
        let variant = self.variant.as_ref().map(|names| {
            let value = |name| crate::key::fields::value(name, &headers, scratch).map(<[u8]>::to_vec);
            names
                .iter()
                .zip(names.iter().map(value))
                .map(|(name, value)| (name.as_str().into(), value))
                .collect()
        });
        let said = Said {
            scheme: self.secure.into(),
            authority: authority.into(),
            path: path.into(),
            query: query.map(Into::into),
            fingerprint: rule.fingerprint().map(|fingerprint| fingerprint.to_vec()),
            inputs,
            variant,
        };
        (key, said)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What can be read back whole was not lost, so two requests that differ in it have different keys.
    #[test]
    fn a_key_says_all_that_went_into_it(request in a_request()) {
        let (key, said) = request.key();
        prop_assert_eq!(read_back(key.as_bytes()), said);
    }

    #[test]
    fn different_requests_have_different_keys(one in a_request(), other in a_request()) {
        let ((one, one_said), (other, other_said)) = (one.key(), other.key());
        prop_assert_eq!(one.as_bytes() == other.as_bytes(), one_said == other_said);
        prop_assert_eq!(one.hash() == other.hash(), one_said == other_said);
    }
}
