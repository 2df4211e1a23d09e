//! The access log: one structured line a request, sampled.
//!
//! Its lines are events of the target `larder::access`, so the filter (`LARDER_LOG=larder::access=off`) rules them as it does any
//! other. How many are written is a rate of its own, `LARDER_ACCESS_LOG`, because a hit costs less than a line about it.

use crate::engine::Outcome;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

/// Shares of requests that are logged, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccessRates {
    /// Of hits.
    pub hits: f64,
    /// Of all others that succeeded.
    pub others: f64,
    /// Of those that failed: a status of 500 or more, or no reply at all.
    pub errors: f64,
}

impl Default for AccessRates {
    /// Everything but hits: what the cache saves is what would flood the log.
    fn default() -> Self {
        Self { hits: 0.0, others: 1.0, errors: 1.0 }
    }
}

/// Why text is not an [`AccessRates`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no rate of the access log; write `off`, `all`, or as in `hits=0.01,others=1,errors=1`, each between 0 and 1"
)]
pub struct RateError(String);

impl AccessRates {
    /// Reads `off`, `all`, or shares by name; those not named keep their default.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        match text.trim() {
            "" => return Ok(Self::default()),
            "off" => return Ok(Self { hits: 0.0, others: 0.0, errors: 0.0 }),
            "all" => return Ok(Self { hits: 1.0, others: 1.0, errors: 1.0 }),
            _ => {}
        }
        let mut rates = Self::default();
        for part in text.split(',').map(str::trim) {
            let fault = || RateError(part.to_owned());
            let (name, rate) = part.split_once('=').ok_or_else(fault)?;
            let rate: f64 = rate.trim().parse().map_err(|_| fault())?;
            if !(0.0..=1.0).contains(&rate) {
                return Err(fault());
            }
            match name.trim() {
                "hits" => rates.hits = rate,
                "others" => rates.others = rate,
                "errors" => rates.errors = rate,
                _ => return Err(fault()),
            }
        }
        Ok(rates)
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
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessLog {
    hits: Rate,
    others: Rate,
    errors: Rate,
}

/// A share, ready to be decided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rate {
    #[default]
    Never,
    Always,
    /// When a random number is below it.
    Below(u64),
}

impl AccessLog {
    /// A log of these shares.
    pub fn new(rates: AccessRates) -> Self {
        let AccessRates { hits, others, errors } = rates;
        Self { hits: Rate::new(hits), others: Rate::new(others), errors: Rate::new(errors) }
    }

    /// Whether a request is to be logged. Asked before the record is made; for a class that is off it is one comparison.
    pub fn wants(&self, outcome: Outcome, status: u16) -> bool {
        let rate = if outcome == Outcome::Error || status >= 500 || status == 0 {
            self.errors
        } else if matches!(outcome, Outcome::Hit | Outcome::Stale) {
            self.hits
        } else {
            self.others
        };
        rate.draw() && tracing::enabled!(target: "larder::access", tracing::Level::INFO)
    }

    /// Logs a request.
    pub fn write(&self, record: &AccessRecord<'_>) {
        let AccessRecord {
            route,
            method,
            authority,
            path,
            client,
            status,
            outcome,
            cache_status,
            bytes,
            elapsed,
        } = *record;
        tracing::info!(
            target: "larder::access",
            route,
            method,
            authority,
            path,
            client = client.map(tracing::field::display),
            status,
            outcome = outcome.as_str(),
            cache_status,
            bytes,
            // Microseconds are as fine as anybody reads them.
            ms = elapsed.as_micros() as f64 / 1000.0,
        );
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
    fn rates_as_written() {
        fn check(text: &str, want: Result<(f64, f64, f64), &str>) {
            let got = AccessRates::parse(text).map(|rates| (rates.hits, rates.others, rates.errors));
            assert_eq!(got, want.map_err(|part| RateError(part.to_owned())), "{text:?}");
        }
        check("", Ok((0.0, 1.0, 1.0)));
        check("off", Ok((0.0, 0.0, 0.0)));
        check(" all ", Ok((1.0, 1.0, 1.0)));
        check("hits=0.01", Ok((0.01, 1.0, 1.0)));
        check("others = 0, errors=0.5", Ok((0.0, 0.0, 0.5)));
        check("hit=1", Err("hit=1"));
        check("hits", Err("hits"));
        check("hits=2", Err("hits=2"));
        check("hits=0.1,others=-1", Err("others=-1"));
        check("hits=NaN", Err("hits=NaN"));
        check("hits=1,", Err(""));
    }

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
        fn check(only: AccessRates, wanted: &[(Outcome, u16)]) {
            let log = AccessLog::new(only);
            let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
            tracing::subscriber::with_default(subscriber, || {
                for (outcome, status) in [
                    (Outcome::Hit, 200),
                    (Outcome::Stale, 200),
                    (Outcome::Miss, 200),
                    (Outcome::Pass, 404),
                    (Outcome::Pass, 500),
                    (Outcome::Hit, 503),
                    (Outcome::Error, 200),
                    (Outcome::Miss, 0),
                ] {
                    let want = wanted.contains(&(outcome, status));
                    assert_eq!(log.wants(outcome, status), want, "{only:?} {outcome:?} {status}");
                }
            });
        }
        let none = AccessRates { hits: 0.0, others: 0.0, errors: 0.0 };
        check(none, &[]);
        check(AccessRates { hits: 1.0, ..none }, &[(Outcome::Hit, 200), (Outcome::Stale, 200)]);
        check(AccessRates { others: 1.0, ..none }, &[(Outcome::Miss, 200), (Outcome::Pass, 404)]);
        let errors = [(Outcome::Pass, 500), (Outcome::Hit, 503), (Outcome::Error, 200), (Outcome::Miss, 0)];
        check(AccessRates { errors: 1.0, ..none }, &errors);
    }
}
