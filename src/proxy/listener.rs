//! How connections at one address are spoken with.

use arc_swap::ArcSwap;
use pingora::listeners::tls::Acceptor;
use pingora::tls::{ServerConfig, install_default_crypto_provider, load_certs_and_key_files, version};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a certificate cannot be used; the text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CertificateError(String);

/// A certificate chain and its key, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The chain's file.
    pub(crate) certificate: PathBuf,
    /// The key's file.
    pub(crate) key: PathBuf,
}

/// An address that is listened on.
pub(crate) struct Listener {
    local: SocketAddr,
    h2c: bool,
    tls: Option<Tls>,
}

struct Tls {
    identity: Identity,
    // Connections that shake hands keep what they began with.
    acceptor: ArcSwap<Acceptor>,
}

impl Listener {
    /// Connections to `local`. `h2c`: HTTP/2 is understood on a plain connection, too.
    pub(crate) fn new(local: SocketAddr, h2c: bool, tls: Option<Identity>) -> Result<Self, CertificateError> {
        let tls = match tls {
            None => None,
            Some(identity) => Some(Tls { acceptor: ArcSwap::from_pointee(load(&identity)?), identity }),
        };
        Ok(Self { local, h2c, tls })
    }

    /// The address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether a plain connection may begin with HTTP/2.
    pub(super) fn h2c(&self) -> bool {
        self.h2c
    }

    /// What shakes hands, where TLS is spoken.
    pub(super) fn acceptor(&self) -> Option<Arc<Acceptor>> {
        self.tls.as_ref().map(|tls| tls.acceptor.load_full())
    }

    /// Reads the certificate again, which is renewed under the same name. Nothing changes before [`Listener::renew`].
    pub(crate) fn read_again(&self) -> Result<Option<Renewal>, CertificateError> {
        self.tls
            .as_ref()
            .map(|tls| load(&tls.identity).map(|acceptor| Renewal(Arc::new(acceptor))))
            .transpose()
    }

    /// Uses the certificate that was read again, for connections from now on.
    pub(crate) fn renew(&self, renewal: Renewal) {
        if let Some(tls) = &self.tls {
            tls.acceptor.store(renewal.0);
        }
    }
}

/// A certificate that was read again.
pub(crate) struct Renewal(Arc<Acceptor>);

fn load(identity: &Identity) -> Result<Acceptor, CertificateError> {
    let Identity { certificate, key } = identity;
    let (certificate_path, key_path) = (utf8(certificate)?, utf8(key)?);
    for path in [certificate, key] {
        // Pingora's own error does not say which of the two it could not open.
        std::fs::File::open(path)
            .map_err(|error| CertificateError(format!("{} cannot be read: {error}", path.display())))?;
    }
    let (chain, key) = load_certs_and_key_files(certificate_path, key_path)
        .map_err(|error| CertificateError(format!("they are not PEM files: {error}")))?
        .ok_or_else(|| {
            CertificateError(
                "the first must hold `BEGIN CERTIFICATE`, the second `BEGIN PRIVATE KEY` without a password"
                    .to_owned(),
            )
        })?;
    install_default_crypto_provider();
    let mut config = ServerConfig::builder_with_protocol_versions(&[&version::TLS12, &version::TLS13])
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| CertificateError(format!("they do not belong together: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Acceptor::from_server_config(Arc::new(config)))
}

fn utf8(path: &Path) -> Result<&str, CertificateError> {
    path.to_str().ok_or_else(|| CertificateError(format!("{} is not UTF-8; rename it", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> (String, String) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (signed.cert.pem(), signed.signing_key.serialize_pem())
    }

    /// Loads `certificate` and `key` from files of these contents and compares the error's text.
    #[track_caller]
    fn check(certificate: &str, key: &str, wanted: Option<&str>) {
        let folder = tempfile::tempdir().unwrap();
        let identity =
            Identity { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        std::fs::write(&identity.certificate, certificate).unwrap();
        std::fs::write(&identity.key, key).unwrap();
        let error = load(&identity).err().map(|error| error.to_string());
        match (error, wanted) {
            (None, None) => {}
            (Some(error), Some(wanted)) if error.contains(wanted) => {}
            (error, _) => panic!("{error:?}, wanted {wanted:?}"),
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let ((certificate, key), (_, foreign)) = (pem(), pem());
        check(&certificate, &key, None);
        check(&certificate, &certificate, Some("BEGIN PRIVATE KEY"));
        check(&key, &key, Some("BEGIN CERTIFICATE"));
        check("", &key, Some("BEGIN CERTIFICATE"));
        check(&certificate, &foreign, Some("do not belong together"));
    }

    #[test]
    fn names_the_file_that_is_missing() {
        let identity = Identity { certificate: "/nowhere/tls.crt".into(), key: "/nowhere/tls.key".into() };
        let error = load(&identity).err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/tls.crt cannot be read"), "{error}");
    }

    #[test]
    fn a_bad_renewal_leaves_the_old_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let identity =
            Identity { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        let (certificate, key) = pem();
        std::fs::write(&identity.certificate, certificate).unwrap();
        std::fs::write(&identity.key, key).unwrap();
        let listener = Listener::new("127.0.0.1:0".parse().unwrap(), false, Some(identity.clone())).unwrap();
        let before = listener.acceptor().unwrap();
        std::fs::write(&identity.certificate, "nonsense").unwrap();
        assert!(listener.read_again().is_err());
        assert!(Arc::ptr_eq(&before, &listener.acceptor().unwrap()));
    }
}
