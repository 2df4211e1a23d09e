//! What the pages for users show can be used as it stands there.

use larder::config;
use std::fs;
use std::path::Path;

const README: &str = include_str!("../../README.md");
const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// What a part of a file stands in, unless it says so itself.
const AROUND: [(&str, &str); 4] = [
    ("origin", "origin: http://127.0.0.1:3000"),
    ("redis", "redis: redis://127.0.0.1:6379"),
    ("region", "region: { header: X-Country }"),
    ("host_aliases", "host_aliases: { shop.example.com: [] }"),
];

/// The blocks of YAML on a page that are Larder's: files, or keys of a file with all that is below them.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    let blocks = page.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().expect("a first piece"));
    blocks.filter(|block| !block.starts_with("apiVersion:"))
}

fn whole(block: &str) -> String {
    let says = |key: &str| {
        block
            .lines()
            .any(|line| line.split(':').next().is_some_and(|start| start.trim_end_matches('s') == key))
    };
    let around = AROUND.iter().filter(|(key, _)| !says(key.trim_end_matches('s')));
    let around: String = around.map(|(_, line)| format!("{line}\n")).collect();
    around + block
}

#[test]
fn every_example_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
    fs::write(folder.path().join("tls.crt"), pair.cert.pem()).unwrap();
    fs::write(folder.path().join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    let file = folder.path().join("proxy.yaml");
    let mut seen = 0;
    for block in blocks(README).chain(blocks(REFERENCE)) {
        seen += 1;
        if cfg!(not(feature = "cloudfront")) && block.contains("cloudfront:") {
            continue;
        }
        let text = whole(block);
        let checked = config::parse(&text, &file.display().to_string(), &|_| Some("x".to_owned()));
        let settings = checked.unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        for cdn in &settings.cdns {
            larder::cdn::providers::make(cdn).unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
    }
    assert!(seen > 10, "{seen} examples");
}

/// The slugs of the headings of a page, as links name them.
fn slugs(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let slug = |heading: &str| {
        let lower = heading.to_lowercase().replace(' ', "-");
        lower.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(slug).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (page, text) in [("README.md", README), ("docs/configuration.md", REFERENCE)] {
        let page = root.join(page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.with_file_name("").join(path) };
            let there = fs::read_to_string(&target).unwrap_or_else(|error| panic!("{link}: {error}"));
            assert!(
                anchor.is_empty() || slugs(&there).iter().any(|slug| slug == anchor),
                "{link} leads nowhere"
            );
        }
    }
}
