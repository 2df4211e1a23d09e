//! Origins behind TLS: who is believed to be one.

use crate::raw::{Connection, RawOrigin};
use crate::setting::{Shop, settings};
use larder::origin::{Framing, OriginSettings, Protocol};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// An authority, and the file that its certificate is in.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::called("authority")
    }

    fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What a server called `name` needs to offer `protocols`.
    pub(crate) fn acceptor(&self, name: &str, protocols: &[&str]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Settings for an origin at `address` that has to be signed for by this authority.
    pub(crate) fn settings(&self, address: std::net::SocketAddr) -> OriginSettings {
        let mut settings = settings(&[address]);
        settings.servers[0].tls = true;
        settings.ca = Some(self.file());
        settings
    }
}

/// An origin behind `acceptor` that sends `reply` to every request; `polite`: it says so when it closes.
async fn secure(acceptor: TlsAcceptor, reply: &'static str, polite: bool) -> RawOrigin {
    RawOrigin::start(move |connection| {
        let acceptor = acceptor.clone();
        async move {
            let number = connection.number;
            let Ok(stream) = acceptor.accept(connection.stream).await else { return };
            let mut connection = Connection { stream, number };
            while connection.request().await.is_some() {
                connection.send(reply).await;
                if !reply.contains("Content-Length") {
                    break;
                }
            }
            if polite {
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await;
            }
        }
    })
    .await
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_signed_origin_is_believed() {
    let authority = Authority::new();
    for protocol in [Protocol::Auto, Protocol::Http1] {
        let origin = secure(authority.acceptor("127.0.0.1", &["http/1.1"]), HELLO, true).await;
        let shop = Shop::new(&OriginSettings { protocol, ..authority.settings(origin.address) });
        for _ in 0..2 {
            assert_eq!(shop.get().await.unwrap().body, "hello");
        }
        assert_eq!(origin.connections(), 1);
    }
}

#[tokio::test]
async fn nobody_else_is() {
    let (authority, other) = (Authority::new(), Authority::called("other"));
    let impostor = Authority::new();
    let check = async |acceptor: TlsAcceptor, believed: &Authority, words: &str| {
        let origin = secure(acceptor, HELLO, true).await;
        let error = Shop::new(&believed.settings(origin.address)).get().await.unwrap_err();
        assert_eq!(error.as_str(), "connect");
        assert!(error.to_string().contains(words), "{error}");
    };
    check(authority.acceptor("127.0.0.1", &[]), &other, "UnknownIssuer").await;
    check(impostor.acceptor("127.0.0.1", &[]), &authority, "BadSignature").await;
    check(authority.acceptor("shop.example", &[]), &authority, "not valid for name").await;
    check(authority.acceptor("127.0.0.2", &[]), &authority, "not valid for name").await;

    let plain = RawOrigin::start(|mut connection| async move { connection.send(HELLO).await }).await;
    let error = Shop::new(&authority.settings(plain.address)).get().await.unwrap_err();
    assert_eq!(error.as_str(), "connect", "{error}");
}

#[tokio::test]
async fn http2_has_to_be_spoken_where_it_is_asked_for() {
    let authority = Authority::new();
    for protocols in [&[][..], &["http/1.1"]] {
        let origin = secure(authority.acceptor("127.0.0.1", protocols), HELLO, true).await;
        let settings = OriginSettings { protocol: Protocol::H2, ..authority.settings(origin.address) };
        let error = Shop::new(&settings).get().await.unwrap_err();
        assert_eq!(error.as_str(), "connect", "{error}");
    }
}

#[tokio::test]
async fn tls_tells_an_end_from_a_cut() {
    let authority = Authority::new();
    let check = async |polite, whole: bool| {
        let reply = "HTTP/1.1 200 OK\r\n\r\nhello";
        let origin = secure(authority.acceptor("127.0.0.1", &[]), reply, polite).await;
        match Shop::new(&authority.settings(origin.address)).get().await {
            Ok(reply) => {
                assert_eq!((reply.framing, &*reply.body, whole), (Framing::UntilClose, "hello", true));
            }
            Err(error) => assert_eq!((error.as_str(), whole), ("broken", false), "{error}"),
        }
    };
    check(true, true).await;
    check(false, false).await;
}
