//! Certificates and keys: readable, and what they should be.
//!
//! They are looked at here so that `larder check` finds on a laptop what would else fail at the start in production.

use super::Scope;
use crate::config::expand::cause;
use crate::config::read::At;
use crate::config::settings::TlsFiles;
use pingora::tls::sign::CertifiedKey;
use pingora::tls::{self, CryptoProvider, RootCertStore};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Bytes of a PEM file that is looked at. All authorities a system trusts take a quarter of a mebibyte.
const MAX_PEM: u64 = 4 << 20;

/// A certificate and its key, if they belong together.
pub(super) fn pair(scope: &Scope<'_>, certificate: &At<PathBuf>, key: &At<PathBuf>) -> Option<TlsFiles> {
    let readable = (readable(scope, certificate), readable(scope, key));
    let (Some(certificate_path), Some(key_path)) = readable else { return None };
    match load(&certificate_path, &key_path) {
        Ok(()) => Some(TlsFiles { certificate: certificate_path, key: key_path }),
        Err(Mismatch::NoCertificate) => {
            let problem = format!("{} holds no certificate", certificate.shown);
            certificate.fault(scope.report, problem, "write a PEM file with `BEGIN CERTIFICATE` in it");
            None
        }
        Err(Mismatch::NoKey) => {
            let problem = format!("{} holds no private key that can be read", key.shown);
            key.fault(
                scope.report,
                problem,
                "write a PEM file with `BEGIN PRIVATE KEY` in it, not encrypted",
            );
            None
        }
        Err(Mismatch::NotAPair) => {
            let problem = format!("{} does not belong to {}", key.shown, certificate.shown);
            key.fault(scope.report, problem, "write the key that the certificate was issued for");
            None
        }
    }
}

/// A file of authorities.
pub(super) fn authorities(scope: &Scope<'_>, ca: &At<PathBuf>) -> Option<PathBuf> {
    let path = readable(scope, ca)?;
    let mut roots = RootCertStore::empty();
    let loaded = path.to_str().is_some_and(|path| tls::load_ca_file_into_store(path, &mut roots).is_ok());
    if !loaded || roots.is_empty() {
        let problem = format!("{} does not hold certificates, and only those", ca.shown);
        ca.fault(scope.report, problem, "write a PEM file with the authorities to trust");
        return None;
    }
    Some(path)
}

/// The whole path of a file that can be opened.
fn readable(scope: &Scope<'_>, at: &At<PathBuf>) -> Option<PathBuf> {
    let path = scope.folder.join(&at.value);
    // Asked before it is opened: opening a pipe would wait for someone to write.
    let error = match fs::metadata(&path) {
        Ok(data) if !data.is_file() => "it is not a file".to_owned(),
        Ok(data) if data.len() > MAX_PEM => format!("it is larger than {MAX_PEM} bytes"),
        Ok(_) => match File::open(&path) {
            Ok(_) => return Some(path),
            Err(error) => cause(&error),
        },
        Err(error) => cause(&error),
    };
    let problem = format!("{} cannot be read: {error}", at.shown);
    at.fault(
        scope.report,
        problem,
        "write the path of a readable file; a relative one starts at this file's folder",
    );
    None
}

/// Why two files cannot serve.
enum Mismatch {
    NoCertificate,
    NoKey,
    NotAPair,
}

fn load(certificate: &Path, key: &Path) -> Result<(), Mismatch> {
    let certificate = certificate.to_str().ok_or(Mismatch::NoCertificate)?.to_owned();
    let key = key.to_str().ok_or(Mismatch::NoKey)?.to_owned();
    if tls::load_pem_file_ca(&certificate).map_or(true, |der| der.is_empty()) {
        return Err(Mismatch::NoCertificate);
    }
    if tls::load_pem_file_private_key(&key).map_or(true, |der| der.is_empty()) {
        return Err(Mismatch::NoKey);
    }
    let (chain, key) = match tls::load_certs_and_key_files(&certificate, &key) {
        Ok(Some(pair)) => pair,
        // Both have one; so it is a later block of the chain that cannot be read.
        Ok(None) | Err(_) => return Err(Mismatch::NoCertificate),
    };
    tls::install_default_crypto_provider();
    let provider = CryptoProvider::get_default().expect("a provider was installed the line before");
    CertifiedKey::from_der(chain, key, provider).map(drop).map_err(|_| Mismatch::NotAPair)
}
