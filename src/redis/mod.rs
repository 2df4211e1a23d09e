//! Redis and Valkey, behind the ports of the layers that use them. Nobody else names them.
//!
//! A [`Link`] is the way there: [`Servers`](servers) opens connections to a server, to whichever server is primary, or to a
//! cluster; a [`lane`] keeps one open on each runtime. The [`Breaker`] says whether it is worth asking. [`RedisTier`] keeps replies
//! there for all nodes, [`RedisLog`] the invalidation log, [`RedisOutbox`] what CDNs have yet to be told.
//! [`RedisChannel`] and [`RedisStream`] bring an application's events.

mod backoff;
mod breaker;
mod error;
mod events;
mod forms;
mod lane;
mod link;
mod log;
mod observer;
mod outbox;
mod script;
mod sentinel;
mod servers;
mod settings;
mod spare;
mod tier;
mod wire;

pub use breaker::{Breaker, BreakerState, Pass, Verdict};
pub use error::LinkError;
pub use events::{RedisChannel, RedisStream, StreamSettings};
pub use link::{Dedicated, Link};
pub use log::{Deserted, RedisLog, RedisLogSettings};
pub use observer::{Op, RedisObserver};
pub use outbox::{LOST_WAITS, OutboxEvent, OutboxObserver, RedisOutbox, RedisOutboxSettings};
pub use script::Script;
pub use servers::UnusableSettings;
pub use settings::{RedisServers, RedisSettings, ServerAddress, WriteMode};
pub use tier::{Loss, RedisTier, TierObserver};
