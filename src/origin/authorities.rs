//! The authorities whose signature on a server's certificate counts.

use super::OriginError;
use pingora::protocols::tls::CaType;
use pingora::tls::{CertificateDer, RootCertStore, load_native_certs};
use pingora::utils::tls::{WrappedX509, parse_x509};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Arc;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Reads the authorities in the PEM file `ca`; every certificate in it has to be sound.
pub(super) fn from_file(origin: &str, ca: &Path) -> Result<Arc<CaType>, OriginError> {
    let fault = |cause: String| OriginError::Ca { origin: origin.to_owned(), path: ca.to_owned(), cause };
    let text = std::fs::read(ca).map_err(|error| fault(error.to_string()))?;
    let certificates = certificates(&String::from_utf8_lossy(&text)).map_err(fault)?;
    if certificates.is_empty() {
        return Err(fault(format!("no `{BEGIN}` in it")));
    }
    let mut authorities = Vec::with_capacity(certificates.len());
    for (index, der) in certificates.into_iter().enumerate() {
        let number = index + 1;
        authorities
            .push(authority(der).ok_or_else(|| fault(format!("certificate {number} cannot be read")))?);
    }
    Ok(authorities.into())
}

/// The authorities that the system trusts. One that cannot be read is left out, as the rest of the system does.
///
/// They are handed to connections as those of a file are, and not left to Pingora's connectors: each of those would
/// read the store anew, twice for every runtime, and panic on one bad certificate in it. Every new
/// connection goes through them again, which took half a millisecond for 145 in a build without optimisation.
pub(super) fn of_the_system(origin: &str) -> Result<Arc<CaType>, OriginError> {
    let fault = |cause: String| OriginError::SystemRoots { origin: origin.to_owned(), cause };
    let certificates = load_native_certs().map_err(|error| fault(error.to_string()))?;
    legible(certificates.iter().map(|der| der.to_vec()))
        .ok_or_else(|| fault("the store is missing or empty".to_owned()))
}

/// Those of `certificates` that can be read; `None` if there are none.
fn legible(certificates: impl Iterator<Item = Vec<u8>>) -> Option<Arc<CaType>> {
    let authorities: Vec<_> = certificates.filter_map(authority).collect();
    (!authorities.is_empty()).then(|| authorities.into())
}

/// A certificate that both of the libraries that will meet it can read.
fn authority(der: Vec<u8>) -> Option<WrappedX509> {
    RootCertStore::empty().add(CertificateDer::from(der.as_slice())).ok()?;
    // Pingora's parser panics on what it cannot read, and has no sibling that does not. Almost everything was refused
    // above; what is left must be an error of the configuration and not end the process.
    catch_unwind(|| WrappedX509::new(der, parse_x509)).ok()
}

/// The DER of every certificate in `text` (RFC 7468, 5); other sections are passed over, as keys and parameters often
/// share a file. (Pingora's own reader gives away the first certificate only.)
fn certificates(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let number = found.len() + 1;
        let (body, after) =
            after.split_once(END).ok_or_else(|| format!("certificate {number} has no end"))?;
        found.push(base64(body).ok_or_else(|| format!("certificate {number} is not base64"))?);
        rest = after;
    }
    Ok(found)
}

/// Decodes base64 (RFC 4648, 4), white space ignored; `None` for anything else between.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(&text);
    if !text.len().is_multiple_of(4) || digits.contains(&b'=') {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for &digit in group {
            bits = bits << 6 | u32::from(sextet(digit)?);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_to_the_letter() {
        let check = |text: &str, bytes: Option<&[u8]>| assert_eq!(base64(text).as_deref(), bytes, "{text:?}");
        check("", Some(b""));
        check("Zg==", Some(b"f"));
        check("Zm8=", Some(b"fo"));
        check("Zm9v", Some(b"foo"));
        check("Zm9v\r\nYmE=\n", Some(b"fooba"));
        check("+/+/", Some(&[0xfb, 0xff, 0xbf]));
        check("Zg", None);
        check("Zg=", None);
        check("Z===", None);
        check("Zm=v", None);
        check("Zm9*", None);
    }

    #[test]
    fn faults_of_the_file_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let check = |text: &str, cause: &str| {
            std::fs::write(&path, text).unwrap();
            let error = from_file("shop", &path).err().map(|error| error.to_string()).unwrap();
            assert!(error.contains(cause) && error.contains("`shop`") && error.contains("ca.pem"), "{error}");
        };
        check("", "no `-----BEGIN CERTIFICATE-----`");
        check(
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
            "no `-----BEGIN CERTIFICATE-----`",
        );
        check(&format!("{BEGIN}\nAAAA"), "certificate 1 has no end");
        check(&format!("{BEGIN}\nA!AA\n{END}"), "certificate 1 is not base64");
        check(&format!("{BEGIN}\nAAAA\n{END}"), "certificate 1 cannot be read");

        let missing = from_file("shop", &folder.path().join("none.pem")).err().unwrap();
        assert!(missing.to_string().contains("No such file"), "{missing}");
    }

    fn signed() -> rcgen::Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key).unwrap()
    }

    #[test]
    fn one_bad_certificate_of_the_system_spoils_no_other() {
        let good = signed().der().to_vec();
        assert!(legible(std::iter::empty()).is_none());
        assert!(legible([b"bad".to_vec()].into_iter()).is_none());
        assert_eq!(legible([b"bad".to_vec(), good].into_iter()).unwrap().len(), 1);
    }

    #[test]
    fn a_bundle_is_taken_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, format!("# two of them\n{}\n{}", signed().pem(), signed().pem())).unwrap();
        assert_eq!(from_file("shop", &path).unwrap().len(), 2);
    }
}
