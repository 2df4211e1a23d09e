//! What another reader of YAML finds in the same text is what the settings hold.

use larder::config;
use serde_yaml::Value;
use std::time::Duration;

/// `90s`, `5m`, `1h`, `2d`, as the examples write them.
fn duration(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.len() - 1);
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        other => panic!("{other} in {text}"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * unit)
}

#[test]
fn the_shipped_shop_is_read_as_another_reader_reads_it() {
    let text = include_str!("../../proxy.yaml");
    let settings = config::parse(text, "proxy.yaml", &|_| None).unwrap();
    let document: Value = serde_yaml::from_str(text).unwrap();
    let routes = document["routes"].as_sequence().unwrap();
    // The route of unmatched requests is not written.
    assert_eq!(settings.routes.len(), routes.len() + 1);
    let mut lifetimes = 0;
    for (written, route) in routes.iter().zip(&settings.routes) {
        let name = written["name"].as_str().unwrap();
        assert_eq!(&*route.name, name);
        let cache = &written["cache"];
        assert_eq!(route.cache.is_none(), cache.as_str() == Some("bypass"), "{name}");
        let Some(rule) = &route.cache else { continue };
        if let Some(ttl) = cache["ttl"].as_str() {
            assert_eq!(rule.freshness.ttl, Some(duration(ttl)), "{name}");
            lifetimes += 1;
        }
        if let Some(tags) = cache["tags"].as_sequence() {
            assert_eq!(rule.tags.len(), tags.len(), "{name}");
        }
        if let Some(purges) = written["on_write"]["purge"].as_sequence() {
            assert_eq!(route.on_write.purge.len(), purges.len(), "{name}");
        }
    }
    assert!(lifetimes > 3, "the example has rules to compare");
}
