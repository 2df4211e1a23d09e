//! The shop: an origin that knows nothing of Larder and asks a slow database for everything.

use super::catalogue::Catalogue;
use super::random::mix;
use crate::admin::Serve;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, Response, StatusCode};
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A query takes up to this share of its time more or less.
const JITTER: f64 = 0.2;

/// Bodies of writes; a price needs 30 bytes.
const MAX_BODY: usize = 4096;

/// Requests with this field come from the probe that goes past Larder, and are not counted.
pub(super) const PROBE: &str = "x-demo-probe";

/// The shop, and how often it was asked.
pub(super) struct Shop {
    catalogue: Catalogue,
    database: Duration,
    asked: AtomicU64,
}

impl Shop {
    /// A shop that has just opened. `database` is what a query takes.
    pub(super) fn new(database: Duration) -> Self {
        Self { catalogue: Catalogue::new(), database, asked: AtomicU64::new(0) }
    }

    /// Requests that came through Larder.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    async fn ask_database(&self, query: u64) {
        let share = (mix(query) % 1000) as f64 / 1000.0;
        tokio::time::sleep(self.database.mul_f64(1.0 - JITTER + 2.0 * JITTER * share)).await;
    }

    /// What it answers. `body` is that of a write.
    fn page(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> Page {
        let segments: Vec<_> = path.split('/').skip(1).collect();
        match (method, segments.as_slice()) {
            (&Method::GET, ["api", "v1", "products", id]) => self
                .catalogue
                .product(id)
                .map_or_else(Page::missing, |product| Page::ok(self.catalogue.page(product))),
            (&Method::PUT, ["api", "v1", "products", id]) => self.set_price(id, body),
            (&Method::GET, ["api", "v1", "categories", name]) => {
                self.catalogue.category(name).map_or_else(Page::missing, |page| Page {
                    cache_control: Some("max-age=60"),
                    tagged: true,
                    ..Page::ok(page)
                })
            }
            (&Method::GET, ["api", "v1", "search"]) => {
                let word = query.split('&').find_map(|parameter| parameter.strip_prefix("q="));
                Page::ok(self.catalogue.search(word.unwrap_or_default()))
            }
            (&Method::GET, ["api", "v1", "carts", owner]) => {
                Page { cache_control: Some("no-store"), ..Page::ok(json!({ "cart": owner, "items": [] })) }
            }
            _ => Page::missing(),
        }
    }

    fn set_price(&self, id: &str, body: &[u8]) -> Page {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let cents = document["price_cents"].as_u64().and_then(|cents| u32::try_from(cents).ok());
        let Some(product) = self.catalogue.product(id) else { return Page::missing() };
        let Some(cents) = cents else {
            return Page {
                status: StatusCode::BAD_REQUEST,
                ..Page::ok(json!({ "error": "send {\"price_cents\": 1234}" }))
            };
        };
        self.catalogue.set_price(product, cents);
        Page::ok(self.catalogue.page(product))
    }
}

struct Page {
    status: StatusCode,
    document: Value,
    cache_control: Option<&'static str>,
    tagged: bool,
}

impl Page {
    fn ok(document: Value) -> Self {
        Self { status: StatusCode::OK, document, cache_control: None, tagged: false }
    }

    fn missing() -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::ok(json!({ "error": "the shop does not have that" })) }
    }

    fn into_response(self, if_none_match: Option<&HeaderValue>) -> Response<Bytes> {
        let body = format!("{:#}\n", self.document);
        let tag = format!("\"{}\"", &blake3::hash(body.as_bytes()).to_hex()[..16]);
        let same = self.tagged && if_none_match.is_some_and(|tags| tags.as_bytes() == tag.as_bytes());
        let mut response = Response::new(if same { Bytes::new() } else { body.into() });
        *response.status_mut() = if same { StatusCode::NOT_MODIFIED } else { self.status };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(value) = self.cache_control {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
        }
        if let Some(tag) = HeaderValue::try_from(tag).ok().filter(|_| self.tagged) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

#[async_trait]
impl Serve for Shop {
    async fn answer(&self, session: &mut ServerSession, _peer: IpAddr) -> Response<Bytes> {
        let mut body = BytesMut::new();
        while let Ok(Some(piece)) = session.read_request_body().await {
            if body.len() + piece.len() > MAX_BODY {
                return Page { status: StatusCode::PAYLOAD_TOO_LARGE, ..Page::missing() }.into_response(None);
            }
            body.extend_from_slice(&piece);
        }
        let request = session.req_header();
        let number =
            if request.headers.contains_key(PROBE) { self.asked() } else { self.asked.fetch_add(1, Relaxed) };
        let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
        // The answer is made after the wait: what somebody changes meanwhile is in it, as with a real database.
        self.ask_database(number).await;
        let page = self.page(&request.method, path, query, &body);
        page.into_response(request.headers.get(IF_NONE_MATCH))
    }

    fn malformed(&self) -> Response<Bytes> {
        Page { status: StatusCode::BAD_REQUEST, ..Page::missing() }.into_response(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        fn check(method: &Method, target: &str, body: &str, status: u16, part: &str) {
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let page = Shop::new(Duration::ZERO).page(method, path, query, body.as_bytes());
            let text = page.document.to_string();
            assert_eq!(page.status, status, "{method} {target}");
            assert!(text.contains(part), "{method} {target}: {part:?} is not in {text}");
        }
        check(&Method::GET, "/api/v1/products/42", "", 200, "\"id\":42");
        check(&Method::GET, "/api/v1/products/0", "", 404, "error");
        check(&Method::PUT, "/api/v1/products/42", r#"{"price_cents":7}"#, 200, "\"price_cents\":7");
        check(&Method::PUT, "/api/v1/products/42", r#"{"price_cents":-7}"#, 400, "error");
        check(&Method::PUT, "/api/v1/products/0", r#"{"price_cents":7}"#, 404, "error");
        check(&Method::GET, "/api/v1/categories/tea", "", 200, "\"category\":\"tea\"");
        check(&Method::GET, "/api/v1/search?x=1&q=tea", "", 200, "\"q\":\"tea\"");
        check(&Method::GET, "/api/v1/carts/7", "", 200, "\"cart\":\"7\"");
        check(&Method::DELETE, "/api/v1/products/42", "", 404, "error");
        check(&Method::GET, "/", "", 404, "error");
    }

    #[test]
    fn a_tag_that_still_holds_spares_the_body() {
        let page = || Page { tagged: true, ..Page::ok(json!({})) };
        let whole = page().into_response(None);
        let tag = whole.headers()[ETAG].clone();
        assert_eq!((whole.status(), whole.body().is_empty()), (StatusCode::OK, false));
        let same = page().into_response(Some(&tag));
        assert_eq!((same.status(), same.body().is_empty()), (StatusCode::NOT_MODIFIED, true));
        assert!(!Page::ok(json!({})).into_response(None).headers().contains_key(ETAG));
    }
}
