//! One pool of connections for each runtime.

use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::runtime::{Handle, Id};

/// What `ca_file` of a Pingora connector is set to so that it reads no system roots: an empty file.
///
/// Peers of [`super::Origins`] carry their authorities themselves. A connector that is not told so reads the whole
/// system store when it is made, and panics when it cannot.
pub const NO_SYSTEM_ROOTS: &str = "/dev/null";

/// The pools of one origin. A socket belongs to the reactor it was opened on, so no two runtimes share one.
pub(super) struct Connectors {
    pool_size: usize,
    // As many entries as there are runtimes: the workers' and no more.
    by_runtime: RwLock<HashMap<Id, Arc<Connector>>>,
}

impl Connectors {
    /// Pools that keep `pool_size` idle connections each.
    pub(super) fn new(pool_size: usize) -> Self {
        Self { pool_size, by_runtime: RwLock::default() }
    }

    /// The pool of the runtime this is called in.
    pub(super) fn here(&self) -> Arc<Connector> {
        let runtime = Handle::current().id();
        let known = self.by_runtime.read().unwrap_or_else(PoisonError::into_inner).get(&runtime).cloned();
        known.unwrap_or_else(|| {
            let mut pools = self.by_runtime.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(pools.entry(runtime).or_insert_with(|| Arc::new(self.connector())))
        })
    }

    fn connector(&self) -> Connector {
        let mut options = ConnectorOptions::new(self.pool_size);
        options.ca_file = Some(NO_SYSTEM_ROOTS.to_owned());
        Connector::new(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn runtimes_share_no_pool() {
        let connectors = Connectors::new(4);
        let runtime = || Builder::new_current_thread().build().unwrap();
        let (one, other) = (runtime(), runtime());
        let first = one.block_on(async { connectors.here() });
        let again = one.block_on(async { connectors.here() });
        let second = other.block_on(async { connectors.here() });
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &second));
    }
}
