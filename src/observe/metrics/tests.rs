use super::*;
use crate::engine::Outcome;
use crate::invalidation::LedgerStats;
use crate::observe::{Finished, Tier};
use crate::store::MemoryStats;
use std::time::Duration;

fn metrics() -> Metrics {
    let metrics = Metrics::new(2, Timestamp::from_secs(1_700_000_000));
    metrics.install_routes(["product".into(), "cart".into()]);
    metrics.install_origins(["default".into()]);
    metrics
}

fn hit(micros: u64) -> Finished {
    Finished {
        outcome: Outcome::Hit,
        tier: Some(Tier::Memory),
        forward: None,
        status: 200,
        bytes: 100,
        elapsed: Duration::from_micros(micros),
    }
}

/// Every line of `wanted` is a line of the text.
fn check(metrics: &Metrics, wanted: &[&str]) {
    let text = metrics.text();
    let missing: Vec<_> = wanted.iter().filter(|line| !text.lines().any(|have| have == **line)).collect();
    assert!(missing.is_empty(), "missing {missing:#?} in\n{text}");
}

#[test]
fn requests_by_route_and_outcome() {
    let metrics = metrics();
    let product = metrics.route("product").unwrap();
    product.record(&hit(40));
    product.record(&hit(60));
    check(
        &metrics,
        &[
            "# TYPE larder_requests_total counter",
            r#"larder_requests_total{route="product",outcome="hit"} 2"#,
            r#"larder_requests_total{route="product",outcome="miss"} 0"#,
            r#"larder_requests_total{route="cart",outcome="pass"} 0"#,
            r#"larder_hits_total{route="product",tier="memory"} 2"#,
            r#"larder_hits_total{route="cart",tier="memory"} 0"#,
            r#"larder_misses_total{route="product",reason="uri-miss"} 0"#,
            r#"larder_stale_served_total{route="product",reason="error"} 0"#,
            r#"larder_responses_total{route="product",status="2xx"} 2"#,
            r#"larder_response_bytes_total{route="product",outcome="hit"} 200"#,
            "# TYPE larder_request_seconds histogram",
            r#"larder_request_seconds_bucket{route="product",outcome="hit",le="0.00005"} 1"#,
            r#"larder_request_seconds_bucket{route="product",outcome="hit",le="0.0001"} 2"#,
            r#"larder_request_seconds_bucket{route="product",outcome="hit",le="30"} 2"#,
            r#"larder_request_seconds_bucket{route="product",outcome="hit",le="+Inf"} 2"#,
            r#"larder_request_seconds_sum{route="product",outcome="hit"} 0.0001"#,
            r#"larder_request_seconds_count{route="product",outcome="hit"} 2"#,
        ],
    );
    let text = metrics.text();
    for absent in
        [r#"misses_total{route="cart""#, r#"reason="bypass""#, r#"_bucket{route="product",outcome="miss""#]
    {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn what_the_engine_reports() {
    let metrics = metrics();
    metrics.fill("product", "stored");
    metrics.fill("product", "no_store");
    metrics.fill("no such route", "stored");
    metrics.collapsed("product");
    metrics.stale("product", "revalidating");
    metrics.route("product").unwrap().record(&hit(40));
    Kind::EACH.into_iter().for_each(|kind| metrics.invalidated(kind));
    metrics.invalidated(Kind::Tag);
    check(
        &metrics,
        &[
            r#"larder_fills_total{route="product",result="stored"} 1"#,
            r#"larder_fills_total{route="product",result="no_store"} 1"#,
            r#"larder_collapsed_total{route="product"} 1"#,
            r#"larder_collapsed_total{route="cart"} 0"#,
            r#"larder_stale_served_total{route="product",reason="revalidating"} 1"#,
            r#"larder_invalidations_total{kind="path"} 1"#,
            r#"larder_invalidations_total{kind="prefix"} 1"#,
            r#"larder_invalidations_total{kind="tag"} 2"#,
            r#"larder_invalidations_total{kind="route"} 1"#,
            r#"larder_invalidations_total{kind="all"} 1"#,
        ],
    );
    assert!(!metrics.text().contains("no such route"));
    assert_eq!(metrics.invalidations(), 6);
}

#[test]
fn readings_are_taken_at_the_scrape() {
    let metrics = metrics();
    assert!(!metrics.text().contains("larder_memory_bytes"));
    let entries = Arc::new(AtomicU64::new(3));
    let seen = Arc::clone(&entries);
    metrics.read_from(move || Readings {
        fleet: None,
        memory: MemoryStats { bytes: 2048, entries: seen.load(Relaxed), evictions: 7 },
        memory_limit: 4096,
        ledger: LedgerStats { exact: 5, exact_bytes: 60, table_bytes: 70, ..LedgerStats::default() },
        fills_in_flight: 2,
        events: [[0; 7], [0; 7], [3, 0, 0, 0, 0, 0, 1]],
        channel_breaks: 4,
    });
    entries.store(4, Relaxed);
    check(
        &metrics,
        &[
            "larder_memory_bytes 2048",
            "larder_memory_limit_bytes 4096",
            "larder_memory_entries 4",
            "larder_evictions_total 7",
            "larder_invalidation_exact_entries 5",
            r#"larder_invalidation_bytes{part="exact"} 60"#,
            r#"larder_invalidation_bytes{part="table"} 70"#,
            "larder_fills_in_flight 2",
            r#"larder_events_total{source="http",result="purged"} 0"#,
            r#"larder_events_total{source="stream",result="purged"} 3"#,
            r#"larder_events_total{source="stream",result="failed"} 1"#,
            "larder_event_channel_breaks_total 4",
        ],
    );
}

#[test]
fn connections_end_with_their_guard() {
    let metrics = metrics();
    let first = metrics.connection();
    let second = metrics.connection();
    drop(first);
    check(&metrics, &["larder_connections 1", "larder_connections_accepted_total 2"]);
    drop(second);
    assert_eq!(metrics.connections_open(), 0);
}

#[test]
fn reloads_by_result() {
    let metrics = metrics();
    check(
        &metrics,
        &[
            "larder_config_last_reload_successful 1",
            "larder_config_last_reload_success_timestamp_seconds 1700000000",
            r#"larder_config_reloads_total{result="success"} 0"#,
        ],
    );
    metrics.reloaded(true, Timestamp::from_secs(1_700_000_100));
    metrics.reloaded(false, Timestamp::from_secs(1_700_000_200));
    check(
        &metrics,
        &[
            "larder_config_last_reload_successful 0",
            "larder_config_last_reload_success_timestamp_seconds 1700000100",
            r#"larder_config_reloads_total{result="success"} 1"#,
            r#"larder_config_reloads_total{result="failure"} 1"#,
        ],
    );
}

#[test]
fn origins_by_name_and_reason() {
    let metrics = metrics();
    let origin = metrics.origin("default").unwrap();
    origin.answered(Duration::from_millis(200));
    origin.failed("timeout");
    check(
        &metrics,
        &[
            r#"larder_origin_seconds_bucket{origin="default",le="0.1"} 0"#,
            r#"larder_origin_seconds_bucket{origin="default",le="0.25"} 1"#,
            r#"larder_origin_seconds_count{origin="default"} 1"#,
            r#"larder_origin_errors_total{origin="default",reason="timeout"} 1"#,
        ],
    );
    assert_eq!(origin.failures(), 1);
}

#[test]
fn a_reload_keeps_what_stays_and_forgets_what_went() {
    let metrics = metrics();
    let product = metrics.route("product").unwrap();
    product.record(&hit(40));
    let now = metrics.install_routes(["new".into(), "product".into()]);
    assert_eq!(now.iter().map(|route| route.name()).collect::<Vec<_>>(), ["new", "product"]);
    assert!(Arc::ptr_eq(&now[1], &product));
    assert!(metrics.route("cart").is_none());
    check(
        &metrics,
        &[
            r#"larder_requests_total{route="product",outcome="hit"} 1"#,
            r#"larder_requests_total{route="new",outcome="hit"} 0"#,
        ],
    );
    assert_eq!(metrics.totals().hits(), 1);
}

#[test]
fn the_process_and_the_build() {
    let metrics = metrics();
    let version = format!(r#"larder_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION"));
    check(
        &metrics,
        &[&version, "# TYPE process_resident_memory_bytes gauge", "# TYPE process_open_fds gauge"],
    );
}

#[test]
fn the_use_of_redis_is_counted_once_there_is_one() {
    use crate::redis::{BreakerState, Op, RedisObserver};
    let metrics = Metrics::new(1, Timestamp::ZERO);
    assert!(!metrics.text().contains("larder_redis"));
    metrics.answered(Op::Get, Duration::from_millis(1));
    metrics.failed(Op::Append, "timeout");
    #[track_caller]
    fn check(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.text();
        for line in lines {
            assert!(text.lines().any(|have| have == *line), "{line} in\n{text}");
        }
    }
    check(
        &metrics,
        &[
            r#"larder_redis_seconds_count{op="get"} 1"#,
            r#"larder_redis_seconds_count{op="append"} 0"#,
            r#"larder_redis_errors_total{op="get"} 0"#,
            r#"larder_redis_errors_total{op="append"} 1"#,
            "larder_redis_breaker_open 0",
        ],
    );
    for (state, line) in [
        (BreakerState::Open, "larder_redis_breaker_open 1"),
        (BreakerState::HalfOpen, "larder_redis_breaker_open 1"),
        (BreakerState::Closed, "larder_redis_breaker_open 0"),
    ] {
        metrics.breaker(state);
        check(&metrics, &[line]);
    }
}

#[test]
fn what_cdns_were_told() {
    let metrics = metrics();
    metrics.install_cdns(["edge".into()]);
    metrics.purged("edge", PurgeResult::Delivered, 3);
    metrics.purged("edge", PurgeResult::Failed("timeout"), 2);
    metrics.purged("edge", PurgeResult::Dead, 1);
    metrics.purged("unknown", PurgeResult::Dead, 1);
    metrics.called("edge", CallResult::Failed("throttled"), Duration::from_millis(200));
    CdnObserver::delivered(&metrics, "edge", Duration::from_secs(5000));
    metrics.waiting("edge", 7);
    metrics.dead_letters("edge", 2);
    metrics.widened("edge", TargetKind::Url);
    check(
        &metrics,
        &[
            r#"larder_cdn_purges_total{cdn="edge",result="delivered"} 3"#,
            r#"larder_cdn_purges_total{cdn="edge",result="timeout"} 2"#,
            r#"larder_cdn_purges_total{cdn="edge",result="dead"} 1"#,
            r#"larder_cdn_purges_total{cdn="edge",result="refused"} 0"#,
            r#"larder_cdn_calls_total{cdn="edge",result="throttled"} 1"#,
            r#"larder_cdn_call_seconds_bucket{cdn="edge",le="0.25"} 1"#,
            r#"larder_cdn_delivery_seconds_bucket{cdn="edge",le="3600"} 0"#,
            r#"larder_cdn_delivery_seconds_bucket{cdn="edge",le="7200"} 1"#,
            r#"larder_cdn_delivery_seconds_sum{cdn="edge"} 5000"#,
            r#"larder_cdn_backlog{cdn="edge"} 7"#,
            r#"larder_cdn_dead_letters{cdn="edge"} 2"#,
            r#"larder_cdn_widened_total{cdn="edge",kind="url"} 1"#,
        ],
    );
    assert!(!metrics.text().contains("unknown"));
}
