//! Upstreams: balancing, health, retries, and the port the engine fetches through.
//!
//! [`Fetch`] is all that the engine sees. [`Origins`] is what stands behind it: every origin of the configuration with
//! its servers, pools, limits and two background tasks (one follows names as they age, one probes servers). A request
//! takes a place in the origin's queue (`gate`), is given a server (`balance`, over what `discovery` found, less what
//! `health` and `standing` advise against), gets a pooled or new connection of the runtime it runs on (`connectors`),
//! and is exchanged (`exchange`, `head`); the body is then read by whoever asked (`body`). What went wrong is told in
//! one vocabulary (`fault`), and `retry` alone decides whether to try again.
//!
//! Requests that are not cached go through Pingora's proxy instead; [`Origins::peer`] gives it a server under the same
//! limits and the same judgement.

mod authorities;
mod balance;
mod body;
mod connectors;
mod discovery;
mod error;
mod exchange;
mod fault;
mod fetch;
mod gate;
mod head;
mod health;
mod observer;
mod origins;
mod peer;
mod retry;
mod server;
mod settings;
mod standing;
mod tending;
mod upstream;

pub use connectors::NO_SYSTEM_ROOTS;
pub use discovery::{Resolve, SystemResolver};
pub use error::OriginError;
pub use fetch::{Fetch, FetchError, FetchRequest, Framing, Reply, ReplyBody};
pub use gate::Permit;
pub use health::{OriginHealth, ServerHealth, ServerState};
pub use observer::OriginObserver;
pub use origins::{OriginContext, Origins, PassPeer};
pub use server::ServerHandle;
pub use settings::{Balance, HealthCheckSettings, OriginSettings, Protocol, ServerAddress};
