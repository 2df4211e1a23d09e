//! `origins`.

use crate::config::read::{List, record};
use crate::config::units::Brief;
use crate::origin::{Balance, Protocol, ServerAddress};
use std::path::PathBuf;
use std::time::Duration;

record! {
    /// `origins`, one of.
    Origin;
    "servers" => servers: List<ServerAddress>,
    "balance" => balance: Balance,
    "connect_timeout" => connect_timeout: Brief,
    "read_timeout" => read_timeout: Duration,
    "keepalive" => keepalive: usize,
    "retries" => retries: usize,
    "protocol" => protocol: Protocol,
    "max_in_flight" => max_in_flight: usize,
    "health_check" => health_check: HealthCheck,
    "ca" => ca: PathBuf,
}

record! {
    /// `origins.*.health_check`.
    HealthCheck;
    "path" => path: String,
    "interval" => interval: Duration,
    "timeout" => timeout: Duration,
}
