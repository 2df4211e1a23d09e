//! The names of the metrics, and the sheet they are written on at a scrape.
//!
//! Names and labels are an interface: dashboards and alerts are written against them. Add to them, do not rename.

use super::distribution::Totals;
use prometheus::core::Desc;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::HashMap;

/// Declares [`Family`] from one table of name, kind, labels and help.
macro_rules! families {
    ($($variant:ident $name:literal $kind:ident [$($label:literal),*] $help:literal;)*) => {
        /// One family of metrics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Family { $($variant),* }

        impl Family {
            const ALL: &[Self] = &[$(Self::$variant),*];

            fn spec(self) -> Spec {
                match self { $(Self::$variant => Spec {
                    name: concat!("larder_", $name), kind: MetricType::$kind, labels: &[$($label),*], help: $help,
                }),* }
            }
        }
    };
}

struct Spec {
    name: &'static str,
    kind: MetricType,
    labels: &'static [&'static str],
    help: &'static str,
}

families! {
    Requests "requests_total" COUNTER ["route", "outcome"]
        "Requests answered: hit, stale, revalidated, miss, collapsed, pass or error.";
    RequestSeconds "request_seconds" HISTOGRAM ["route", "outcome"]
        "Time from the end of a request's head to the end of its reply.";
    Responses "responses_total" COUNTER ["route", "status"]
        "Replies by class of status, whoever made them.";
    ResponseBytes "response_bytes_total" COUNTER ["route", "outcome"]
        "Bytes of bodies sent to clients.";
    Hits "hits_total" COUNTER ["route", "tier"]
        "Requests answered from a stored reply without asking the origin first, by the tier it was in.";
    Misses "misses_total" COUNTER ["route", "reason"]
        "Requests a stored reply might have answered and did not, by the reason (RFC 9211, 2.2).";
    Fills "fills_total" COUNTER ["route", "result"]
        "Fills that ended, by what became of the reply.";
    Collapsed "collapsed_total" COUNTER ["route"]
        "Requests answered by another request's fill.";
    StaleServed "stale_served_total" COUNTER ["route", "reason"]
        "Stale replies served: revalidating (RFC 5861, 3) or error (RFC 5861, 4).";
    FillsInFlight "fills_in_flight" GAUGE []
        "Fills under way.";
    MemoryBytes "memory_bytes" GAUGE []
        "Bytes that stored replies hold in memory.";
    MemoryLimit "memory_limit_bytes" GAUGE []
        "Bytes that stored replies may hold in memory (memory.max_size).";
    MemoryEntries "memory_entries" GAUGE []
        "Replies stored in memory.";
    Evictions "evictions_total" COUNTER []
        "Replies that left memory to make room.";
    Invalidations "invalidations_total" COUNTER ["kind"]
        "Invalidations applied: path, prefix, tag, route or all.";
    InvalidationExact "invalidation_exact_entries" GAUGE []
        "Recent invalidations remembered exactly.";
    InvalidationBytes "invalidation_bytes" GAUGE ["part"]
        "Bytes that remembered invalidations hold: exact (recent ones) and table (all others).";
    RedisSeconds "redis_seconds" HISTOGRAM ["op"]
        "Time from asking Redis to its answer, by what it was asked for.";
    RedisErrors "redis_errors_total" COUNTER ["op"]
        "Commands that brought nothing: no connection, no answer in time, or an error for an answer.";
    RedisBreaker "redis_breaker_open" GAUGE []
        "1 while requests do not wait for Redis, because it fails or is slow; 0 otherwise.";
    RedisUnreadable "redis_unreadable_total" COUNTER ["reason"]
        "Entries in Redis that could not be read and were taken for nothing, by what was odd about them.";
    RedisLost "redis_lost_writes_total" COUNTER ["reason"]
        "Entries that are not in Redis: too_large, overflow, failed, unavailable or undrained.";
    LogEvents "log_events_total" COUNTER ["event"]
        "What happened to the shared invalidation log as this node follows it: term, birth, gap, loaded, …";
    LogLag "log_position_lag_seconds" GAUGE []
        "Time since all that stood in the shared invalidation log was known to be applied here.";
    LogBlind "log_blind" GAUGE []
        "1 while this node cannot tell what others invalidate; 0 otherwise.";
    LogQueued "log_queued" GAUGE []
        "Purges that wait to be appended to the shared invalidation log.";
    LogNodes "log_nodes" GAUGE []
        "Nodes that follow the shared invalidation log, as far as this one knows.";
    SpoolEvents "spool_events_total" COUNTER ["event"]
        "What happened to the spool: unannounced (a write went on that is not on the disk), unsynced, error, recovered, …";
    Events "events_total" COUNTER ["source", "result"]
        "Events of the application, by where they came from and what came of them.";
    EventBreaks "event_channel_breaks_total" COUNTER []
        "How often events.redis_channel was lost after it had been heard.";
    OriginSeconds "origin_seconds" HISTOGRAM ["origin"]
        "Time from asking an origin to the head of its reply.";
    OriginErrors "origin_errors_total" COUNTER ["origin", "reason"]
        "Requests that an origin did not answer, or not wholly.";
    CdnPurges "cdn_purges_total" COUNTER ["cdn", "result"]
        "Targets (URLs, prefixes, tags, everything) sent to a CDN, by what came of each attempt; refused and dead: given up, dead also what its API has no way to say.";
    CdnCalls "cdn_calls_total" COUNTER ["cdn", "result"]
        "Calls of a CDN's API, by their result.";
    CdnCallSeconds "cdn_call_seconds" HISTOGRAM ["cdn"]
        "Time that calls of a CDN's API took.";
    CdnDeliverySeconds "cdn_delivery_seconds" HISTOGRAM ["cdn"]
        "Time from a purge to the CDN's word that all of it was taken.";
    CdnBacklog "cdn_backlog" GAUGE ["cdn"]
        "Purges in the queue of a CDN: those that wait and those being delivered.";
    CdnDeadLetters "cdn_dead_letters" GAUGE ["cdn"]
        "Purges that were given up for a CDN and wait for `larder cdn retry`.";
    CdnWidened "cdn_widened_total" COUNTER ["cdn", "kind"]
        "Times that targets of a kind became wider ones, since there were too many for the rate of the API.";
    Connections "connections" GAUGE []
        "Client connections open.";
    ConnectionsAccepted "connections_accepted_total" COUNTER []
        "Client connections accepted.";
    ConfigReloads "config_reloads_total" COUNTER ["result"]
        "Reloads of the configuration: success or failure.";
    ConfigLoaded "config_last_reload_success_timestamp_seconds" GAUGE []
        "When the configuration in force was loaded.";
    ConfigGood "config_last_reload_successful" GAUGE []
        "1 when the last attempt to load the configuration succeeded, else 0.";
    LogDropped "log_lines_dropped_total" COUNTER []
        "Log lines dropped because nobody read them fast enough.";
    BuildInfo "build_info" GAUGE ["version"]
        "Always 1; the version is in the label.";
}

/// What `prometheus` wants to know of each family beforehand.
pub(super) fn descriptions() -> Vec<Desc> {
    let describe = |family: &Family| {
        let spec = family.spec();
        let labels = spec.labels.iter().map(ToString::to_string).collect();
        Desc::new(spec.name.into(), spec.help.into(), labels, HashMap::new())
            .expect("the table above holds valid names only; a test reads it whole")
    };
    Family::ALL.iter().map(describe).collect()
}

/// All samples of one scrape.
pub(super) struct Sheet {
    families: Vec<MetricFamily>,
}

impl Sheet {
    /// An empty sheet.
    pub(super) fn new() -> Self {
        let head = |family: &Family| {
            let Spec { name, kind, help, .. } = family.spec();
            let mut head = MetricFamily::default();
            head.set_name(name.into());
            head.set_help(help.into());
            head.set_field_type(kind);
            head
        };
        Self { families: Family::ALL.iter().map(head).collect() }
    }

    /// Writes a counter down.
    pub(super) fn counter(&mut self, family: Family, labels: &[&str], value: u64) {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        self.add(family, labels, MetricType::COUNTER).set_counter(counter);
    }

    /// Writes a gauge down.
    pub(super) fn gauge(&mut self, family: Family, labels: &[&str], value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        self.add(family, labels, MetricType::GAUGE).set_gauge(gauge);
    }

    /// Writes a histogram down.
    pub(super) fn histogram(&mut self, family: Family, labels: &[&str], totals: &Totals) {
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(totals.cumulative().map(bucket).collect());
        histogram.set_sample_count(totals.count());
        histogram.set_sample_sum(totals.seconds());
        self.add(family, labels, MetricType::HISTOGRAM).set_histogram(histogram);
    }

    /// The families, for the registry; those without samples are left out by it.
    pub(super) fn into_families(self) -> Vec<MetricFamily> {
        self.families
    }

    fn add(&mut self, family: Family, values: &[&str], kind: MetricType) -> &mut Metric {
        let spec = family.spec();
        debug_assert_eq!((spec.kind, spec.labels.len()), (kind, values.len()), "{}", spec.name);
        let pair = |(name, value): (&&str, &&str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).into());
            pair.set_value((*value).into());
            pair
        };
        let labels = spec.labels.iter().zip(values).map(pair).collect();
        let metrics = self.families[family as usize].mut_metric();
        metrics.push(Metric::from_label(labels));
        metrics.last_mut().expect("one was just pushed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_valid() {
        let names: std::collections::HashSet<_> =
            descriptions().into_iter().map(|desc| desc.fq_name).collect();
        assert_eq!(names.len(), Family::ALL.len(), "every name once");
        for family in Family::ALL {
            let spec = family.spec();
            let counter = spec.kind == MetricType::COUNTER;
            assert_eq!(
                counter,
                spec.name.ends_with("_total"),
                "{}: counters, and only they, end in _total",
                spec.name
            );
            assert!(
                !spec.labels.iter().any(|label| ["url", "path", "host"].contains(label)),
                "{}",
                spec.name
            );
        }
    }
}
