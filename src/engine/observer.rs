//! What the engine tells of its work; `observe` turns it into metrics.

use crate::invalidation::Kind;

/// Told what happens off the path of a hit. Every word is one of a fixed set, so it may be a label.
pub trait Observer: Send + Sync + 'static {
    /// A fill ended: `stored`, `not_modified`, `no_store`, `timeout`, …
    fn fill(&self, route: &str, result: &'static str);
    /// A request was answered by another request's fill.
    fn collapsed(&self, route: &str);
    /// A stale reply was served: `revalidating`, `error`.
    fn stale(&self, route: &str, reason: &'static str);
    /// An invalidation was applied.
    fn invalidated(&self, kind: Kind);
}
