//! The command: what it checks, explains and purges, and how it ends.

use crate::support::{Larder, Origin, Process, Reply, command};
use tempfile::TempDir;

fn file(yaml: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.yaml");
    std::fs::write(&path, yaml).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

const FIVE_FAULTS: &str = r#"origin: http://127.0.0.1:3000
memory: { max_size: 256 parsecs }
rotes: []
defaults:
  cache: { ttl: soon }
routes:
  - name: product
    path: /products/{id}
    cache: { tags: ["product:{sku}"] }
  - name: product
    path: /other
"#;

#[tokio::test]
async fn five_faults_are_five_lines_each_with_its_place() {
    let (_folder, path) = file(FIVE_FAULTS);
    let places = [
        ("2:21", "memory.max_size"),
        ("3:1", "rotes"),
        ("5:17", "defaults.cache.ttl"),
        ("9:21", "routes[0].cache.tags[0]"),
        ("10:11", "routes[1].name"),
    ];
    for verb in ["check", "run"] {
        let output = command(&[verb, "-c", &path]).await;
        assert_eq!(output.status.code(), Some(2), "{verb}: {output:#?}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(&path)).collect();
        assert_eq!(lines.len(), 5, "{verb}:\n{text}");
        for (line, (place, key)) in lines.iter().zip(places) {
            assert!(
                line.starts_with(&format!("{path}:{place}: {key}: ")),
                "{verb}: {line}\ninstead of {place}: {key}"
            );
            assert!(line.contains("; "), "what is wrong; what to write: {line}");
        }
        assert!(lines[1].contains("routes"), "the nearest known name: {}", lines[1]);
    }
}

#[tokio::test]
async fn a_good_file_is_good() {
    let (_folder, least) = file("origin: http://127.0.0.1:3000\n");
    for path in [&least, concat!(env!("CARGO_MANIFEST_DIR"), "/proxy.yaml")] {
        let output = command(&["check", "-c", path]).await;
        assert_eq!(output.status.code(), Some(0), "{output:#?}");
    }
}

#[tokio::test]
async fn every_verb_helps_and_wrong_usage_is_2() {
    for verb in ["run", "check", "explain", "purge", "demo"] {
        let output = command(&[verb, "--help"]).await;
        assert_eq!(output.status.code(), Some(0), "{verb}");
        assert!(output.stdout.len() > 200, "{verb}: a help that teaches");
    }
    let version = command(&["--version"]).await;
    assert_eq!(
        String::from_utf8_lossy(&version.stdout).trim(),
        concat!("larder ", env!("CARGO_PKG_VERSION"))
    );
    for wrong in [&["frobnicate"][..], &["run", "--colour"], &["explain"], &["purge"]] {
        assert_eq!(command(wrong).await.status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn explain_tells_the_route_the_key_the_lifetime_and_the_tags() {
    let (_folder, path) = file(
        r#"
origin: http://127.0.0.1:9
routes:
  - name: product
    path: /products/{id}
    cache: { ttl: 1h, tags: ["product:{id}"], vary: ["header:Accept-Language"], query: { ignore: [utm_*] } }
"#,
    );
    let url = "http://shop.test/products/7?b=2&a=1&utm_source=mail";
    let output = command(&["explain", "GET", url, "-H", "Accept-Language: de", "-c", &path]).await;
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    let text = String::from_utf8(output.stdout).unwrap();
    for word in ["product", "product:7", "shop.test", "/products/7", "1h", "de"] {
        assert!(text.contains(word), "{word:?} in\n{text}");
    }
}

#[tokio::test]
async fn explain_tells_what_an_event_purges() {
    let (_folder, path) = file(
        r#"
origin: http://127.0.0.1:9
events: { rules: [{ event: product_updated, purge: [{ tag: "product:{product_id}" }] }] }
"#,
    );
    let event = r#"{"event": "product_updated", "product_id": 7}"#;
    let output = command(&["explain", "--event", event, "-c", &path]).await;
    assert_eq!(output.status.code(), Some(0), "{output:#?}");
    let line = r#"purges      tag product:7  product_updated: { tag: "product:{product_id}" }"#;
    assert!(String::from_utf8_lossy(&output.stdout).contains(line), "{output:#?}");

    let mut larder = std::process::Command::new(env!("CARGO_BIN_EXE_larder"))
        .args(["explain", "--event", "-", "-c", &path])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut larder.stdin.take().unwrap(), event.as_bytes()).unwrap();
    assert!(String::from_utf8_lossy(&larder.wait_with_output().unwrap().stdout).contains(line));

    for wrong in
        [&["--event", "[]"][..], &["--event", "{", "-d", "{}"], &["--event", event, "GET", "http://a/"]]
    {
        let output = command(&[&["explain", "-c", &path], wrong].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(
        command(&["explain", "GET", "-c", &path]).await.status.code(),
        Some(2),
        "a method needs a URL"
    );
}

#[tokio::test]
async fn purge_asks_the_admin_listener_of_the_same_file() {
    let origin = Origin::start().await;
    let larder = Process::run(&Larder::before(&origin).admin_token("correct-horse")).await;
    origin.otherwise(|_| Reply::fresh(60, "x").header("Surrogate-Key", "red"));
    // The running one listens on a port of the system's choice, which the file for the command names.
    let yaml = format!(
        "origin: http://127.0.0.1:9\nadmin: {{ address: \"{}\", token: correct-horse }}\n",
        larder.admin_address()
    );
    let (_folder, path) = file(&yaml);
    let purges: [&[&str]; 4] =
        [&["http://shop.test/x"], &["--tag", "red"], &["--prefix", "http://shop.test/"], &["--all"]];
    for purge in purges {
        larder.get("/x").send().await;
        assert!(larder.get("/x").send().await.is_hit(), "{purge:?}");
        let arguments: Vec<_> =
            ["purge"].into_iter().chain(purge.iter().copied()).chain(["-c", &path]).collect();
        let output = command(&arguments).await;
        assert_eq!(output.status.code(), Some(0), "{output:#?}");
        assert!(!larder.get("/x").send().await.is_hit(), "{purge:?}");
        let all = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&all).contains("correct-horse"), "secrets are never printed");
    }
}

#[tokio::test]
async fn a_probe_asks_whether_larder_is_well() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let admin = larder.admin_address().to_string();
    for (flags, said) in [(vec![], "ok"), (vec!["--ready"], "ready")] {
        let output = command(&[&["health", "--admin", &admin][..], &flags].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{output:#?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(said), "{output:#?}");
    }
    // The proxy's own listener is somebody else: it passes the question on to an origin that does not know it.
    let stranger = larder.address().to_string();
    let output = command(&["health", "--admin", &stranger]).await;
    assert_eq!(output.status.code(), Some(1), "{output:#?}");
}
