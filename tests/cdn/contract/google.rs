//! <https://cloud.google.com/compute/docs/reference/rest/v1/urlMaps/invalidateCache>

use super::{
    Api, Fault, SECRET, Subject, body, cdn, form, full, hard, list, parts, prefix, provider, refusal, tag,
    url,
};
use crate::support::{DEADLINE, Reply, Seen};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use larder::cdn::providers::google::GoogleSettings;
use larder::cdn::providers::make;
use larder::cdn::{ProviderSettings, Target, TargetKind};
use larder::time::{Clock, SystemClock};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) const SUBJECT: Subject =
    Subject { name: "google", contract, done, settings, purged: &["path /a on shop.example.com"] };

/// What the key file says of where tokens are given out: what an assertion is addressed to, wherever it is sent.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

const EMAIL: &str = "larder@project.iam.gserviceaccount.com";

/// A key of nobody.
const KEY: &str = include_str!("google.pem");

fn google(endpoint: &str, credentials: Option<std::path::PathBuf>) -> GoogleSettings {
    let token = if credentials.is_some() { "token" } else { "machine" };
    GoogleSettings {
        project: "project".to_owned(),
        url_map: "shop-map".to_owned(),
        credentials,
        tags: true,
        endpoint: Some(endpoint.to_owned()),
        token_endpoint: Some(format!("{endpoint}/{token}")),
    }
}

/// The identity of the machine. Its service gives out a token that is right or wrong, as it is asked.
fn settings(endpoint: &str, secret: &str) -> ProviderSettings {
    let token_endpoint = Some(format!("{endpoint}/machine/{secret}"));
    ProviderSettings::Google(GoogleSettings { token_endpoint, ..google(endpoint, None) })
}

/// A key file in a folder of its own.
fn key_file(email: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    let key = json!({
        "type": "service_account", "client_email": email, "private_key_id": "4711", "private_key": KEY, "token_uri": TOKEN_URI,
    });
    std::fs::write(&file, key.to_string()).unwrap();
    (folder, file)
}

fn done() -> Reply {
    refusal(
        200,
        r#"{"kind":"compute#operation","id":"1","operationType":"invalidateCache","status":"PENDING"}"#,
    )
}

fn failed(status: u16, reason: &str) -> Reply {
    refusal(
        status,
        &format!(
            r#"{{"error":{{"code":{status},"message":"{reason}","errors":[{{"reason":"{reason}"}}]}}}}"#
        ),
    )
}

fn contract(seen: &Seen) -> Result<Vec<String>, Reply> {
    let (path, query) = parts(seen);
    if let Some(token) = path.strip_prefix("/machine") {
        return Err(machine(seen, token.trim_start_matches('/')));
    }
    if path == "/token" {
        return Err(grant(seen));
    }
    if seen.fields.get("authorization") != Some(&format!("Bearer {SECRET}")) {
        return Err(failed(401, "authError"));
    }
    if (&*seen.method, path)
        != ("POST", "/compute/v1/projects/project/global/urlMaps/shop-map/invalidateCache")
    {
        return Err(failed(404, "notFound"));
    }
    match &query[..] {
        [(name, id)] if name == "requestId" && is_uuid(id) => {}
        _ => return Err(failed(400, "invalid")),
    }
    let rule = body(seen)?;
    if rule.get("cacheTags").is_some() {
        let tags = list(&rule, "cacheTags", 10, |tag| (1..=120).contains(&tag.len()))?;
        return Ok(tags.into_iter().map(|tag| format!("tag {tag}")).collect());
    }
    let path = rule.get("path").and_then(Value::as_str).filter(|path| is_pattern(path));
    let path = path.ok_or_else(|| failed(400, "invalid"))?;
    let host = rule.get("host").map(|host| format!(" on {}", host.as_str().unwrap())).unwrap_or_default();
    Ok(vec![format!("path {path}{host}")])
}

fn is_pattern(path: &str) -> bool {
    let stars = path.matches('*').count();
    path.starts_with('/') && !path.contains(['?', '#']) && (stars == 0 || stars == 1 && path.ends_with("/*"))
}

fn is_uuid(id: &str) -> bool {
    let lengths: Vec<_> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && id.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        && id.as_bytes()[14] == b'8'
        && b"89ab".contains(&id.as_bytes()[19])
}

fn machine(seen: &Seen, token: &str) -> Reply {
    if seen.method != "GET" || seen.fields.get("metadata-flavor") != Some("Google") {
        return refusal(403, "Missing Metadata-Flavor:Google header.");
    }
    given(if token.is_empty() { SECRET } else { token })
}

fn given(token: &str) -> Reply {
    refusal(200, &format!(r#"{{"access_token":"{token}","expires_in":3599,"token_type":"Bearer"}}"#))
}

/// The grant of a service account (RFC 7523): signed by its key, for an hour at most, of this moment.
fn grant(seen: &Seen) -> Reply {
    let form = form(std::str::from_utf8(&seen.body).unwrap());
    let get = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
    if get("grant_type") != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return refusal(400, r#"{"error":"unsupported_grant_type"}"#);
    }
    let assertion = get("assertion").unwrap();
    let invalid = || {
        refusal(400, &format!(r#"{{"error":"invalid_grant","error_description":"Invalid JWT {assertion}"}}"#))
    };
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    if public.verify(signed.as_bytes(), &decode(signature)).is_err() {
        return invalid();
    }
    let (header, claims) = signed.split_once('.').unwrap();
    let [header, claims]: [Value; 2] =
        [header, claims].map(|part| serde_json::from_slice(&decode(part)).unwrap());
    let now = SystemClock::new().now().as_secs();
    let (issued, until) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
    let good = header == json!({ "alg": "RS256", "typ": "JWT", "kid": "4711" })
        && claims["iss"] == EMAIL
        && claims["aud"] == TOKEN_URI
        && claims["scope"] == "https://www.googleapis.com/auth/compute"
        && issued.abs_diff(now) < 300
        && until == issued + 3600;
    if good { given(SECRET) } else { invalid() }
}

#[tokio::test]
async fn calls_are_made_as_documented() {
    let api = Api::start(contract, done).await;
    let (_folder, file) = key_file(EMAIL);
    for settings in [google(&api.url(), Some(file)), google(&api.url(), None)] {
        let google = provider(ProviderSettings::Google(settings));
        api.check(google.send(&hard(vec![url("/a%20b")])).await, &["path /a%20b on shop.example.com"]);
        let both = ["path /a/b on shop.example.com", "path /a/b/* on shop.example.com"];
        api.check(google.send(&hard(vec![prefix("/a/b")])).await, &both);
        api.check(google.send(&hard(vec![prefix("/")])).await, &["path /* on shop.example.com"]);
        api.check(google.send(&hard(vec![url("/a/b*")])).await, &["path /a/* on shop.example.com"]);
        api.check(google.send(&hard(vec![tag("a"), tag("b\"")])).await, &["tag a", "tag b\""]);
        api.check(google.send(&hard(vec![Target::All])).await, &["path /*"]);
    }
    assert_eq!((api.origin.count("/token"), api.origin.count("/machine")), (1, 1), "tokens are kept");
}

#[tokio::test]
async fn a_full_call_is_taken() {
    let api = Api::start(contract, done).await;
    let google = provider(ProviderSettings::Google(google(&api.url(), None)));
    google.send(&hard(full(google.limits().many(TargetKind::Tag).unwrap().targets, tag))).await.unwrap();
    assert_eq!(api.purged().len(), 10);
}

#[tokio::test]
async fn a_repetition_has_the_same_names() {
    let api = Api::start(contract, done).await;
    let google = provider(ProviderSettings::Google(google(&api.url(), None)));
    let call = hard(vec![prefix("/a")]);
    // The second request is refused for now: the call is repeated whole.
    google.send(&hard(vec![tag("x")])).await.unwrap();
    api.fail([Fault::Lost]);
    google.send(&call).await.unwrap_err();
    google.send(&call).await.unwrap();
    let ids: Vec<_> =
        api.origin.requests_for("/compute/v1/projects/project/global/urlMaps/shop-map/invalidateCache");
    let ids: Vec<_> = ids.iter().map(|seen| parts(seen).1[0].1.clone()).collect();
    let [_, lost, first, second] = &ids[..] else { panic!("{ids:?}") };
    assert_eq!(lost, first);
    assert_ne!(first, second);
}

#[tokio::test]
async fn too_much_is_refused_with_403() {
    let api = Api::start(contract, done).await;
    let google = provider(ProviderSettings::Google(google(&api.url(), None)));
    google.send(&hard(vec![url("/a")])).await.unwrap();
    for (reply, expected) in [
        (failed(403, "rateLimitExceeded"), "throttled"),
        (failed(403, "forbidden"), "credentials"),
        (failed(400, "resourceNotReady"), "in_progress"),
    ] {
        api.fail([Fault::Answer(reply)]);
        let error = google.send(&hard(vec![url("/a")])).await.unwrap_err();
        assert_eq!(error.as_str(), expected, "{error}");
    }
}

#[tokio::test]
async fn an_account_that_is_not_known_can_be_mended() {
    let api = Api::start(contract, done).await;
    let (_folder, file) = key_file("nobody@nowhere");
    let google = provider(ProviderSettings::Google(google(&api.url(), Some(file.clone()))));
    let error = google.send(&hard(vec![url("/a")])).await.unwrap_err();
    assert_eq!(error.as_str(), "credentials", "{error}");
    assert!(!error.to_string().contains("eyJ"), "the assertion is a secret for an hour: {error}");

    // A key that is replaced is read without a restart, and so is what is no key for a while.
    std::fs::write(&file, "half a key").unwrap();
    let error = google.send(&hard(vec![url("/a")])).await.unwrap_err();
    assert_eq!(error.as_str(), "credentials", "{error}");
    let (_other, good) = key_file(EMAIL);
    std::fs::copy(good, &file).unwrap();
    google.send(&hard(vec![url("/a")])).await.unwrap();
}

#[test]
fn a_key_file_is_looked_at_first() {
    let (folder, file) = key_file(EMAIL);
    let made = |file: std::path::PathBuf| {
        make(&cdn(ProviderSettings::Google(google("http://127.0.0.1:9", Some(file))), DEADLINE))
            .err()
            .map(|e| e.to_string())
    };
    assert_eq!(made(file.clone()), None);
    let missing = made(folder.path().join("none.json")).unwrap();
    assert!(missing.contains("none.json"), "{missing}");
    std::fs::write(&file, KEY).unwrap();
    let broken = made(file).unwrap();
    assert!(broken.contains("no JSON") && !broken.contains("MII"), "{broken}");
}
