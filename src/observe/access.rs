//! The access log: one structured line a request, sampled, on standard output.
//!
//! Its lines are events of the target `larder::access`, so the filter (`LARDER_LOG=larder::access=off`) rules them as it does any
//! other. How many are written is a setting of its own, because a hit costs less than a line about it.

use super::Format;
use crate::engine::Outcome;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

/// Where lines go that are for people, below the target of the others so that one filter holds for both.
pub(super) const TEXT_TARGET: &str = "larder::access::text";

/// Where lines go that are for programs.
pub(super) const JSON_TARGET: &str = "larder::access";

/// Which requests are logged, and in which form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccessLogSettings {
    /// The share of hits, 0 to 1.
    pub hits: f64,
    /// The share of all other requests.
    pub others: f64,
    /// The form of a line.
    pub format: Format,
}

impl Default for AccessLogSettings {
    /// Everything but hits: what the cache saves is what would flood the log.
    fn default() -> Self {
        Self { hits: 0.0, others: 1.0, format: Format::Json }
    }
}

/// One request, as the log tells of it.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// The route that governed it.
    pub route: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its authority, canonical.
    pub authority: &'a str,
    /// Its path, without the query: that is where secrets are.
    pub path: &'a str,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// Status of the reply; 0 when the client left before there was one.
    pub status: u16,
    /// How it was answered.
    pub outcome: Outcome,
    /// `Cache-Status` as it was sent.
    pub cache_status: &'a str,
    /// Bytes of the body that were sent.
    pub bytes: u64,
    /// From the end of the request's head to the end of the reply.
    pub elapsed: Duration,
}

/// Decides which requests are logged, and logs them.
#[derive(Clone, Copy, Debug)]
pub struct AccessLog {
    hits: Rate,
    others: Rate,
    format: Format,
}

/// A share, ready to be decided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rate {
    Never,
    Always,
    /// When a random number is below it.
    Below(u64),
}

impl AccessLog {
    /// A log of these shares.
    pub fn new(settings: &AccessLogSettings) -> Self {
        let AccessLogSettings { hits, others, format } = *settings;
        Self { hits: Rate::new(hits), others: Rate::new(others), format }
    }

    /// Whether a request is to be logged. Asked before the record is made; for a class that is off it is one comparison.
    pub fn wants(&self, outcome: Outcome) -> bool {
        let rate = if matches!(outcome, Outcome::Hit | Outcome::Stale) { self.hits } else { self.others };
        rate.draw() && tracing::enabled!(target: JSON_TARGET, tracing::Level::INFO)
    }

    /// Logs a request.
    pub fn write(&self, record: &AccessRecord<'_>) {
        // The target of an event is fixed where it is written, so there is a place for each.
        macro_rules! line {
            ($target:expr) => {{
                let AccessRecord { route, method, authority, path, client, status, .. } = *record;
                let AccessRecord { outcome, cache_status, bytes, elapsed, .. } = *record;
                tracing::info!(
                    target: $target,
                    client = client.map(tracing::field::display),
                    method,
                    authority,
                    path,
                    status,
                    route,
                    outcome = outcome.as_str(),
                    cache_status,
                    bytes,
                    // Microseconds are as fine as anybody reads them.
                    ms = elapsed.as_micros() as f64 / 1000.0,
                );
            }};
        }
        match self.format {
            Format::Json => line!(JSON_TARGET),
            Format::Text => line!(TEXT_TARGET),
        }
    }
}

impl Rate {
    fn new(share: f64) -> Self {
        if share <= 0.0 {
            Self::Never
        } else if share >= 1.0 {
            Self::Always
        } else {
            // `as` saturates, so a share just below 1 is at most all of them.
            Self::Below((share * u64::MAX as f64) as u64)
        }
    }

    fn draw(self) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::Below(limit) => random() < limit,
        }
    }
}

/// SplitMix64, one a thread. Counting instead (every hundredth) would meet traffic that repeats itself always at the same request.
fn random() -> u64 {
    thread_local!(static STATE: Cell<u64> = const { Cell::new(0x1ad2_e55e_d0f1_ce00) });
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        fn check(share: f64) {
            let rate = Rate::new(share);
            let drawn = (0..100_000).filter(|_| rate.draw()).count() as f64 / 100_000.0;
            assert!((drawn - share).abs() < 0.01, "{share}: {drawn}");
        }
        [0.0, 0.01, 0.5, 0.99, 1.0].into_iter().for_each(check);
        assert_eq!((Rate::new(0.0), Rate::new(1.0)), (Rate::Never, Rate::Always));
    }

    #[test]
    fn classes_of_requests() {
        fn check(hits: f64, others: f64, wanted: &[Outcome]) {
            let log = AccessLog::new(&AccessLogSettings { hits, others, format: Format::Json });
            let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
            tracing::subscriber::with_default(subscriber, || {
                for outcome in [Outcome::Hit, Outcome::Stale, Outcome::Miss, Outcome::Pass, Outcome::Error] {
                    assert_eq!(log.wants(outcome), wanted.contains(&outcome), "{hits} {others} {outcome:?}");
                }
            });
        }
        check(0.0, 0.0, &[]);
        check(1.0, 0.0, &[Outcome::Hit, Outcome::Stale]);
        check(0.0, 1.0, &[Outcome::Miss, Outcome::Pass, Outcome::Error]);
    }
}
