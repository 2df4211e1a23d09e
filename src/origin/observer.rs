//! What origins tell of their work; `observe` turns it into metrics.

use std::time::Duration;

/// Told of every request to an origin. Origin names and reasons come from fixed sets, so they may be labels.
pub trait OriginObserver: Send + Sync + 'static {
    /// The head of a reply arrived `elapsed` after the request had its place, retries included.
    fn head(&self, origin: &str, elapsed: Duration);
    /// A request failed, before its head or after; `reason` is of [`super::FetchError::as_str`].
    fn error(&self, origin: &str, reason: &'static str);
}

/// Tells nobody.
impl OriginObserver for () {
    fn head(&self, _origin: &str, _elapsed: Duration) {}
    fn error(&self, _origin: &str, _reason: &'static str) {}
}
