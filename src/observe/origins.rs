//! What is counted by origin.

use super::distribution::{Distribution, Totals};
use super::families::{Family, Sheet};
use super::words::Words;
use std::sync::Arc;
use std::time::Duration;

/// Why origins do not answer: the words of [`FetchError`](crate::origin::FetchError).
const REASONS: [&str; 6] = ["no_server", "connect", "timeout", "broken", "malformed", "busy"];

/// The counters of one origin. One for all threads: an exchange with an origin costs thousands of times what counting it does.
#[derive(Debug)]
pub struct OriginMetrics {
    name: Arc<str>,
    seconds: Distribution,
    errors: Words,
}

impl OriginMetrics {
    /// Counters at zero.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self { name, seconds: Distribution::default(), errors: Words::known(&REASONS) }
    }

    /// Counts a reply whose head came after `elapsed`.
    pub fn answered(&self, elapsed: Duration) {
        self.seconds.record(elapsed);
    }

    /// Counts a request without a reply, or whose reply broke off.
    pub fn failed(&self, reason: &'static str) {
        self.errors.add(reason);
    }

    /// How long the heads of its replies took.
    pub fn latency(&self) -> Totals {
        self.seconds.totals()
    }

    /// Requests that failed.
    pub fn failures(&self) -> u64 {
        self.errors.counts().map(|(_, count)| count).sum()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes the counters down.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        sheet.histogram(Family::OriginSeconds, &[&self.name], &self.seconds.totals());
        for (reason, count) in self.errors.counts() {
            sheet.counter(Family::OriginErrors, &[&self.name, reason], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::FetchError;

    #[test]
    fn reasons_are_those_of_the_port() {
        let errors = [
            FetchError::NoServer,
            FetchError::Connect(String::new()),
            FetchError::Timeout,
            FetchError::Broken(String::new()),
            FetchError::Malformed(String::new()),
            FetchError::Busy { retry_after: Duration::ZERO },
        ];
        assert_eq!(errors.each_ref().map(FetchError::as_str), REASONS);
    }
}
