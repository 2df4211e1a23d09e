//! What a route's keys are made of.

use super::scratch::Scratch;
use super::{QueryRule, RegionRule, RequestTarget, cookies, fields, frame};
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// A request input that routes let the key depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaryInput {
    /// The client's region.
    Region,
    /// A request header field.
    Header(HeaderName),
    /// A cookie, by its name.
    Cookie(String),
}

/// As the configuration writes it.
impl fmt::Display for VaryInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region => f.write_str("region"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
        }
    }
}

/// What a route's keys are made of.
///
/// The default is the URL as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRule {
    query: QueryRule,
    vary: Vec<VaryInput>,
    region: Option<Arc<RegionRule>>,
    fingerprint: Option<[u8; 8]>,
}

/// One part of a key, for `larder explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    /// `scheme`, `authority`, `path`, `query`, `rule`, or a vary input as the configuration writes it.
    pub name: String,
    /// The value in its normal form; `(absent)` where there is none.
    pub value: String,
}

impl KeyRule {
    /// A rule. Without `region`, the input [`VaryInput::Region`] is absent from every request.
    pub fn new(query: QueryRule, vary: Vec<VaryInput>, region: Option<Arc<RegionRule>>) -> Self {
        let used_region = region.as_deref().filter(|_| vary.contains(&VaryInput::Region));
        let fingerprint = fingerprint(&query, used_region);
        Self { query, vary, region, fingerprint }
    }

    /// The query's part.
    pub fn query(&self) -> &QueryRule {
        &self.query
    }

    /// The inputs besides the URL.
    pub fn vary(&self) -> &[VaryInput] {
        &self.vary
    }

    /// The fields of the request that the key depends on, with repetitions.
    pub fn fields(&self) -> impl Iterator<Item = HeaderName> {
        self.vary.iter().filter_map(|input| match input {
            VaryInput::Region => self.region.as_ref().map(|region| region.header.clone()),
            VaryInput::Header(name) => Some(name.clone()),
            VaryInput::Cookie(_) => Some(COOKIE),
        })
    }

    /// What [`VaryInput::Region`] means.
    pub fn region(&self) -> Option<&RegionRule> {
        self.region.as_deref()
    }

    /// Stands for how the rule folds requests together, and is part of its keys; `None` if it does not.
    ///
    /// What was stored while `page` was ignored may be any page. After a change of the rule, or on a node that has another, the
    /// same bytes would be found for the first page alone.
    pub(super) fn fingerprint(&self) -> Option<&[u8; 8]> {
        self.fingerprint.as_ref()
    }

    /// The value of an input in its normal form.
    pub(super) fn value<'s>(
        &'s self,
        input: &VaryInput,
        headers: &'s HeaderMap,
        scratch: &'s mut Scratch,
    ) -> Option<&'s [u8]> {
        match input {
            VaryInput::Region => self.region.as_deref().map(|region| region.of(headers).as_bytes()),
            VaryInput::Header(name) => fields::value(name, headers, scratch),
            VaryInput::Cookie(name) => cookies::value(name, headers, scratch),
        }
    }

    /// The parts of a key, by name, for people.
    pub fn explain(&self, target: &RequestTarget<'_>) -> Vec<KeyPart> {
        let RequestTarget { scheme, authority, path, query, headers } = *target;
        let mut scratch = Scratch::default();
        let part = |name: &str, value: Option<&[u8]>| KeyPart {
            name: name.to_owned(),
            value: value.map_or("(absent)".into(), |value| String::from_utf8_lossy(value).into_owned()),
        };
        let mut parts = vec![
            part("scheme", Some(scheme.as_str().as_bytes())),
            part("authority", Some(authority.as_bytes())),
            part("path", Some(path.as_bytes())),
            part("query", self.query.normalise(query, &mut scratch)),
        ];
        if let Some(fingerprint) = &self.fingerprint {
            let hex = format!("{:016x}", u64::from_be_bytes(*fingerprint));
            parts.push(part("rule", Some(hex.as_bytes())));
        }
        for input in &self.vary {
            parts.push(part(&input.to_string(), self.value(input, headers, &mut scratch)));
        }
        parts
    }

    /// Whether every cookie of the request is part of the key. True of a request without cookies.
    pub fn keys_all_cookies(&self, headers: &HeaderMap) -> bool {
        self.keys_cookie_field() || cookies::cookies(headers).all(|cookie| self.keys_cookie(cookie.name))
    }

    /// The `Cookie` header reduced to the cookies that are part of the key; `None` when none is left.
    ///
    /// One line, names and values as the key has them. Sent in place of what came, it makes sure that the reply depends on no
    /// cookie that its key does not hold.
    pub fn keyed_cookies(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut line = Vec::new();
        if self.keys_cookie_field() {
            line.extend_from_slice(fields::value(&COOKIE, headers, &mut Scratch::default())?);
        } else {
            for cookie in cookies::cookies(headers).filter(|cookie| self.keys_cookie(cookie.name)) {
                if !line.is_empty() {
                    line.extend_from_slice(b"; ");
                }
                line.extend_from_slice(cookie.name);
                line.push(b'=');
                line.extend_from_slice(cookie.value);
            }
            if line.is_empty() {
                return None;
            }
        }
        Some(HeaderValue::from_bytes(&line).expect("parts of header values make a header value"))
    }

    fn keys_cookie_field(&self) -> bool {
        self.vary.iter().any(|input| matches!(input, VaryInput::Header(name) if name == COOKIE))
    }

    fn keys_cookie(&self, name: &[u8]) -> bool {
        self.vary.iter().any(|input| matches!(input, VaryInput::Cookie(keyed) if keyed.as_bytes() == name))
    }
}

/// Eight bytes suffice: rules come from whoever runs the proxy, not from those who would look for two that collide.
fn fingerprint(query: &QueryRule, region: Option<&RegionRule>) -> Option<[u8; 8]> {
    if query.is_verbatim() && region.is_none() {
        return None;
    }
    let mut text = Vec::new();
    query.describe(&mut text);
    if let Some(RegionRule { header, map, default }) = region {
        frame::part(&mut text, header.as_str().as_bytes());
        frame::part(&mut text, default.as_bytes());
        let mut regions: Vec<_> = map.iter().collect();
        regions.sort_unstable();
        for (value, region) in regions {
            frame::part(&mut text, value.as_bytes());
            frame::part(&mut text, region.as_bytes());
        }
    }
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(&text).as_bytes();
    Some([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
