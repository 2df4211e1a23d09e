//! Which changes of a configuration a running Larder cannot make.

use crate::config::{AdminSettings, Settings};

/// The keys whose values differ and only take effect after a restart.
pub(super) fn needing_restart(running: &Settings, wanted: &Settings) -> Vec<&'static str> {
    // Taken apart whole, so that whoever adds a setting has to say here what a reload does with it.
    let Settings {
        threads,
        listen,
        trusted_proxies: _,
        host_aliases: _,
        admin: AdminSettings { address: admin, token: _ },
        origins: _,
        memory,
        ledger,
        settle,
        access_log: _,
        routes: _,
    } = wanted;
    let changed = [
        ("threads", *threads != running.threads),
        ("listen", *listen != running.listen),
        ("admin.address", *admin != running.admin.address),
        ("memory", *memory != running.memory),
        ("invalidation.memory", *ledger != running.ledger),
        ("invalidation.settle", *settle != running.settle),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}
