//! The files that a configuration is made of: itself, certificates and keys.

use crate::env;
use larder::config::{self, Faults};
use std::fs;
use std::path::Path;

fn load(path: &Path) -> Faults {
    config::load(path, &env).expect_err("faults")
}

/// What is said of the file `name`, which holds `content`.
#[track_caller]
fn check(content: Option<&[u8]>, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.yaml");
    if let Some(content) = content {
        fs::write(&path, content).unwrap();
    }
    let faults = load(&path);
    assert_eq!(faults.to_string(), format!("{}:{expected}", path.display()));
    let fault = faults.iter().next().unwrap();
    assert_eq!(fault.file, path.display().to_string());
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    check(
        None,
        "1:1: file: cannot be read: no such file or directory; \
         write `origin: http://127.0.0.1:3000` to it, or name another with `-c FILE`",
    );
    check(Some(b"# \xc3\xa9\norigin: \xff"), "2:9: file: is not UTF-8; save it as UTF-8");
    check(
        Some(&[b'#'; (16 << 20) + 1]),
        "1:1: file: is larger than 16 MiB; name a configuration with `-c FILE`",
    );
    let folder = tempfile::tempdir().unwrap();
    let fault = load(folder.path()).to_string();
    assert!(
        fault.contains("1:1: file: cannot be read: is a directory; name a file with `-c FILE`"),
        "{fault}"
    );
}

/// A certificate and a key, PEM.
fn pair() -> (String, String) {
    let pair = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

#[test]
fn certificates_and_keys_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = pair();
    let (_, other) = pair();
    let damaged = certificate.replacen("MII", "!!!", 1);
    for (name, content) in [
        ("server.crt", certificate.as_str()),
        ("server.key", key.as_str()),
        ("other.key", other.as_str()),
        ("both.pem", &format!("{certificate}{key}")),
        ("damaged.crt", damaged.as_str()),
        ("text", "hello"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let file = folder.path().join("proxy.yaml");
    let tls = |certificate: &str, key: &str| {
        let text = format!(
            "origin: http://a\nlisten: [{{ address: 127.0.0.1:0, tls: {{ certificate: {certificate}, key: {key} }} }}]"
        );
        config::parse(&text, file.to_str().unwrap(), &env)
    };
    for (certificate, key, expected) in [
        ("server.crt", "server.key", None),
        ("both.pem", "both.pem", None),
        (folder.path().join("server.crt").to_str().unwrap(), "server.key", None),
        ("server.crt", "other.key", Some("key: `other.key` does not belong to `server.crt`; write the key")),
        (
            "server.key",
            "server.key",
            Some("certificate: `server.key` holds no certificate; write a PEM file"),
        ),
        ("text", "server.key", Some("certificate: `text` holds no certificate")),
        ("damaged.crt", "server.key", Some("certificate: `damaged.crt` holds no certificate")),
        (
            "server.crt",
            "server.crt",
            Some("key: `server.crt` holds no private key that can be read; write a PEM file"),
        ),
        ("server.crt", "text", Some("key: `text` holds no private key")),
        ("server.crt", ".", Some("key: `.` cannot be read: it is not a file")),
    ] {
        match (tls(certificate, key), expected) {
            (Ok(settings), None) => assert!(settings.listen[0].tls.is_some()),
            (Err(faults), Some(expected)) => {
                assert!(faults.to_string().contains(&format!("listen[0].tls.{expected}")), "{faults}");
                assert_eq!(faults.iter().count(), 1, "{faults}");
            }
            (result, _) => panic!("{certificate}, {key}: {result:?}"),
        }
    }
    let ca = |ca: &str| {
        let text = format!("origins: {{ default: {{ servers: [https://a], ca: {ca} }} }}");
        config::parse(&text, file.to_str().unwrap(), &env).map_err(|faults| faults.to_string())
    };
    assert!(ca("server.crt").is_ok());
    for name in ["server.key", "text", "damaged.crt"] {
        let (fault, expected) =
            (ca(name).unwrap_err(), format!("ca: `{name}` does not hold certificates, and only those"));
        assert!(fault.contains(&expected), "{fault}");
    }
}
