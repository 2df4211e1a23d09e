//! EdgeGrid: how requests to Akamai are signed (EG1-HMAC-SHA256).
//!
//! <https://techdocs.akamai.com/developer/docs/authenticate-with-edgegrid>; the client libraries of Akamai do the same.

use crate::secret::Secret;
use crate::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Uri};
use ring::{digest, hmac};

/// Bytes of a body that are signed at most, as the libraries of Akamai have it where nothing else is said.
const MAX_SIGNED: usize = 131_072;

/// What signs: the credentials of an API client.
pub(super) struct EdgeGrid {
    client_token: Secret,
    client_secret: Secret,
    access_token: Secret,
    max_signed: usize,
}

impl EdgeGrid {
    /// Credentials as Akamai gives them out.
    pub(super) fn new(client_token: &Secret, client_secret: &Secret, access_token: &Secret) -> Self {
        Self {
            client_token: client_token.clone(),
            client_secret: client_secret.clone(),
            access_token: access_token.clone(),
            max_signed: MAX_SIGNED,
        }
    }

    /// The value of `Authorization` for a request, whose URI is absolute. Akamai takes it for some seconds around `now`, by
    /// its own clock, and each `nonce` once.
    pub(super) fn authorization(
        &self,
        method: &Method,
        uri: &Uri,
        body: &[u8],
        now: Timestamp,
        nonce: &str,
    ) -> String {
        let time = timestamp(now);
        let unsigned = format!(
            "EG1-HMAC-SHA256 client_token={};access_token={};timestamp={time};nonce={nonce};",
            self.client_token.expose(),
            self.access_token.expose(),
        );
        let hash = match method {
            &Method::POST if !body.is_empty() => {
                let signed = &body[..body.len().min(self.max_signed)];
                STANDARD.encode(digest::digest(&digest::SHA256, signed))
            }
            _ => String::new(),
        };
        let scheme = uri.scheme_str().unwrap_or_default();
        let host = host(uri);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        // The fifth field is for headers that are signed, and Fast Purge names none.
        let data = [method.as_str(), scheme, &host, path, "", &hash, &unsigned].join("\t");
        let key = mac(self.client_secret.expose(), &time);
        format!("{unsigned}signature={}", mac(&key, &data))
    }
}

/// What stands in `Host`: small letters, and no port where it is the one of the scheme.
fn host(uri: &Uri) -> String {
    let host = uri.authority().map(|authority| authority.as_str().to_ascii_lowercase()).unwrap_or_default();
    let usual = if uri.scheme_str() == Some("https") { ":443" } else { ":80" };
    host.strip_suffix(usual).map_or_else(|| host.clone(), str::to_owned)
}

fn mac(key: &str, data: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, data.as_bytes()))
}

/// Such as `20140321T19:34:21+0000`.
fn timestamp(now: Timestamp) -> String {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    // `Fri, 21 Mar 2014 19:34:21 GMT`
    let date = httpdate::fmt_http_date(now.as_system_time());
    let month = MONTHS.find(&date[8..11]).expect("a month in the language of HTTP") / 3 + 1;
    format!("{}{month:02}{}T{}+0000", &date[12..16], &date[5..7], &date[17..25])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "akaa-baseurl-xxxxxxxxxxx-xxxxxxxxxxxxx.luna.akamaiapis.net";

    fn edgegrid() -> EdgeGrid {
        let secret = Secret::new("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=");
        let (client, access) =
            ("akab-client-token-xxx-xxxxxxxxxxxxxxxx", "akab-access-token-xxx-xxxxxxxxxxxxxxxx");
        let edgegrid = EdgeGrid::new(&Secret::new(client), &secret, &Secret::new(access));
        EdgeGrid { max_signed: 2048, ..edgegrid }
    }

    /// The cases that Akamai publishes with its client libraries, as far as they sign no headers.
    #[test]
    fn published_cases() {
        #[track_caller]
        fn check(method: &Method, path: &str, body: &[u8], signature: &str) {
            let at = httpdate::parse_http_date("Fri, 21 Mar 2014 19:34:21 GMT").unwrap();
            let now = Timestamp::from_system_time(at);
            let uri = format!("https://{HOST}{path}").parse().unwrap();
            let nonce = "nonce-xx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
            let value = edgegrid().authorization(method, &uri, body, now, nonce);
            let expected = format!(
                "EG1-HMAC-SHA256 client_token=akab-client-token-xxx-xxxxxxxxxxxxxxxx;\
                 access_token=akab-access-token-xxx-xxxxxxxxxxxxxxxx;timestamp=20140321T19:34:21+0000;\
                 nonce={nonce};signature={signature}"
            );
            assert_eq!(value, expected, "{method} {path}");
        }
        check(&Method::GET, "/", b"", "tL+y4hxyHxgWVD30X3pWnGKHcPzmrIF+LThiAOhMxYU=");
        let query = "/testapi/v1/t1?p1=1&p2=2";
        check(&Method::GET, query, b"", "hKDH1UlnQySSHjvIcZpDMbQHihTQ0XyVAKZaApabdeA=");
        let data = b"datadatadatadatadatadatadatadata";
        check(&Method::POST, "/testapi/v1/t3", data, "hXm4iCxtpN22m4cbZb4lVLW5rhX8Ca82vCFqXzSTPe4=");
        let long = [b'd'; 2049];
        check(&Method::POST, "/testapi/v1/t3", &long, "6Q6PiTipLae6n4GsSIDTCJ54bEbHUBp+4MUXrbQCBoY=");
    }

    #[test]
    fn hosts_are_signed_as_they_are_sent() {
        #[track_caller]
        fn check(uri: &str, expected: &str) {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(host(&uri), expected);
            let url: reqwest::Url = uri.to_string().parse().unwrap();
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            assert_eq!(format!("{}{port}", url.host_str().unwrap()), expected, "as the client has it");
        }
        check("https://Akab-1.example.net/a", "akab-1.example.net");
        check("https://akab-1.example.net:443/a", "akab-1.example.net");
        check("https://akab-1.example.net:80/a", "akab-1.example.net:80");
        check("http://127.0.0.1:80/a", "127.0.0.1");
        check("http://127.0.0.1:8443/a", "127.0.0.1:8443");
    }

    #[test]
    fn timestamps() {
        #[track_caller]
        fn check(secs: u64, expected: &str) {
            assert_eq!(timestamp(Timestamp::from_secs(secs)), expected);
        }
        check(0, "19700101T00:00:00+0000");
        check(951_782_399, "20000228T23:59:59+0000");
        check(951_782_400, "20000229T00:00:00+0000");
        check(1_798_761_599, "20261231T23:59:59+0000");
    }
}
