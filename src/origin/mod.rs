//! Upstreams: balancing, health, retries, and the port the engine fetches through.

mod fetch;
mod settings;

pub use fetch::{Fetch, FetchError, FetchRequest, Framing, Reply, ReplyBody};
pub use settings::{Balance, HealthCheckSettings, OriginSettings, Protocol, ServerAddress};
