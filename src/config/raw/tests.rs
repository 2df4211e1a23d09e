//! The reference names every key, under the heading of its mapping, and no other.

use super::*;
use crate::config::read::Record;

const REFERENCE: &str = include_str!("../../../docs/configuration.md");

/// The sources of this module, where every mapping is declared.
const SOURCES: [&str; 8] = [
    include_str!("mod.rs"),
    include_str!("cache.rs"),
    include_str!("cdn.rs"),
    include_str!("events.rs"),
    include_str!("origin.rs"),
    include_str!("redis.rs"),
    include_str!("route.rs"),
    include_str!("selector.rs"),
];

/// Every mapping: its heading in the reference, and its keys.
fn mappings() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("file", File::KEYS),
        ("listen[]", Listen::KEYS),
        ("listen[].tls", Tls::KEYS),
        ("admin", Admin::KEYS),
        ("origins.*", Origin::KEYS),
        ("origins.*.health_check", HealthCheck::KEYS),
        ("memory", Memory::KEYS),
        ("redis", Redis::KEYS),
        ("region", Region::KEYS),
        ("invalidation", Invalidation::KEYS),
        ("access_log", AccessLog::KEYS),
        ("defaults", Defaults::KEYS),
        ("cache", Cache::KEYS),
        ("cache.query", Query::KEYS),
        ("routes[]", Route::KEYS),
        ("on_write", OnWrite::KEYS),
        ("on_write.purge[]", Purge::KEYS),
        ("on_write.purge[].when", When::KEYS),
        ("events", Events::KEYS),
        ("events.rules[]", EventRule::KEYS),
        ("events.rules[].purge[]", Selector::<ByEvent>::KEYS),
        ("cdn[]", Cdn::KEYS),
        ("cdn[].cloudfront", Cloudfront::KEYS),
        ("cdn[].fastly", Fastly::KEYS),
        ("cdn[].cloudflare", Cloudflare::KEYS),
        ("cdn[].akamai", Akamai::KEYS),
        ("cdn[].google", Google::KEYS),
        ("cdn[].azure", Azure::KEYS),
        ("cdn[].bunny", Bunny::KEYS),
        ("cdn[].http", HttpApi::KEYS),
        ("cdn[].http.url", HttpCall::KEYS),
        ("cdn[].http.tag_header", TagHeader::KEYS),
    ]
}

/// The keys in the table under a heading, in order.
fn described(heading: &str) -> Option<Vec<&'static str>> {
    let title = format!("`{heading}`");
    let titled = |line: &str| line.starts_with('#') && line.trim_start_matches('#').trim() == title;
    let section = REFERENCE.lines().skip_while(|line| !titled(line)).skip(1);
    let mut table =
        section.take_while(|line| !line.starts_with('#')).skip_while(|line| !line.starts_with("| key |"));
    table.next()?;
    let rows = table.take_while(|line| line.starts_with('|')).skip(1);
    Some(rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect())
}

#[test]
fn the_reference_has_every_key() {
    for (heading, keys) in mappings() {
        let described = described(heading).unwrap_or_else(|| panic!("no table of keys under `{heading}`"));
        assert_eq!(described, keys, "the keys of `{heading}`");
    }
}

#[test]
fn no_mapping_is_left_out() {
    let declared: usize = SOURCES
        .iter()
        .map(|source| source.matches("record! {").count() + source.matches(" Record for ").count())
        .sum();
    assert_eq!(mappings().len(), declared);
    let modules = SOURCES[0].lines().filter(|line| line.starts_with("mod ") && *line != "mod tests;").count();
    assert_eq!(SOURCES.len(), modules + 1, "every source of mappings is looked at");
}
