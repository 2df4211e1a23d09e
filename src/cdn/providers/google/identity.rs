//! Who Larder is to Google: a service account with a key file, or whatever the machine is.

use super::super::request::{built, encoded};
use super::super::token::request_token;
use super::super::{MakeError, base};
use crate::cdn::{CallError, Client};
use crate::secret::Secret;
use crate::time::{Clock, SystemClock};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Uri};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the metadata server of a machine at Google answers to.
/// <https://cloud.google.com/compute/docs/access/authenticate-workloads>
const METADATA: &str =
    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";

/// What a token has to be good for: `compute.urlMaps.invalidateCache`.
const SCOPE: &str = "https://www.googleapis.com/auth/compute";

/// How long an assertion holds; an hour is the most that Google takes.
/// <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>
const ASSERTED: u64 = 3600;

/// Key files are of two kilobytes; what is longer is none.
const MAX_KEY_FILE: usize = 64 << 10;

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Identity {
    /// A service account. The file is read again for each token, so that a key can be replaced while Larder runs.
    Account { file: PathBuf, endpoint: Option<String>, client: Client },
    /// The machine's, by a client that goes there directly: no proxy reaches the machine's own address.
    Machine { address: String, client: Client },
}

impl Identity {
    pub(super) fn new(
        file: Option<&Path>,
        endpoint: Option<&str>,
        client: &Client,
    ) -> Result<Self, MakeError> {
        let endpoint = endpoint.map(base).transpose()?;
        let Some(file) = file else {
            let address = endpoint.unwrap_or_else(|| METADATA.to_owned());
            return Ok(Self::Machine { address, client: client.direct()? });
        };
        let text = std::fs::read(file).map_err(|error| unusable(file, &error))?;
        Key::parse(&text).map_err(|error| unusable(file, error))?;
        Ok(Self::Account { file: file.to_owned(), endpoint, client: client.clone() })
    }

    /// Asks for a token.
    pub(super) async fn ask(&self) -> Result<(Secret, Duration), CallError> {
        match self {
            Self::Machine { address, client } => {
                let request = Request::get(address).header("metadata-flavor", "Google").body(Bytes::new());
                request_token(client, built(request)?, &[]).await
            }
            Self::Account { file, endpoint, client } => {
                let mended = |error: MakeError| CallError::Later {
                    kind: "credentials",
                    reason: format!("no token: {error}"),
                    after: None,
                };
                let text = tokio::fs::read(file).await.map_err(|error| mended(unusable(file, &error)))?;
                let key = Key::parse(&text).map_err(|error| mended(unusable(file, error)))?;
                let audience = endpoint.as_deref().unwrap_or(&key.token_uri);
                let now = SystemClock::new().now().as_secs();
                let assertion =
                    key.assertion(&key.token_uri, now).map_err(|error| mended(unusable(file, error)))?;
                let grant = encoded("urn:ietf:params:oauth:grant-type:jwt-bearer");
                let body = format!("grant_type={grant}&assertion={assertion}");
                let request =
                    Request::post(audience).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                request_token(client, built(request.body(Bytes::from(body)))?, &[&assertion]).await
            }
        }
    }
}

fn unusable(file: &Path, error: impl fmt::Display) -> MakeError {
    MakeError::KeyFile(format!("the key file {} cannot be used: {error}", file.display()))
}

/// What a key file says.
struct Key {
    email: String,
    token_uri: String,
    id: Option<String>,
    pair: RsaKeyPair,
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: String,
}

impl Key {
    /// Reads a key file. An error says which part is wrong, and nothing of what stands there.
    fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = if text.len() <= MAX_KEY_FILE { text } else { return Err("it is too long") };
        let KeyFile { client_email, private_key, private_key_id, token_uri } =
            serde_json::from_slice(text)
                .map_err(|_| "it is no JSON with `client_email`, `private_key` and `token_uri`")?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(private_key.as_bytes())
            .map_err(|_| "`private_key` is no PEM of a PKCS#8 key")?;
        let pair =
            RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| "`private_key` is no RSA key")?;
        token_uri.parse::<Uri>().map_err(|_| "`token_uri` is no URL")?;
        Ok(Self { email: client_email, token_uri, id: private_key_id, pair })
    }

    /// A JWT by which the account asks `audience` for a token (RFC 7523), issued `now`, in seconds since the epoch.
    fn assertion(&self, audience: &str, now: u64) -> Result<String, &'static str> {
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let claims =
            json!({ "iss": self.email, "scope": SCOPE, "aud": audience, "iat": now, "exp": now + ASSERTED });
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "`private_key` cannot sign")?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_key_files_say_what_is_wrong() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(Key::parse(text.as_bytes()).err(), Some(expected), "{text}");
        }
        let json = "it is no JSON with `client_email`, `private_key` and `token_uri`";
        check("", json);
        check(r#"{"client_email":"a@b","private_key":"x"}"#, json);
        check(
            r#"{"client_email":"a@b","private_key":"x","token_uri":"https://t"}"#,
            "`private_key` is no PEM of a PKCS#8 key",
        );
        check(
            r#"{"client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n","token_uri":"https://t"}"#,
            "`private_key` is no RSA key",
        );
        check(&" ".repeat(70_000), "it is too long");
    }
}
