//! How the nodes of a fleet agree on what was invalidated: one log, followed by all, over a port that names no technology.

mod appends;
mod batch;
mod follow;
mod kept;
mod log;
mod queue;
mod store;

pub use log::{FleetObserver, FleetSettings, FleetStats, Left, MAX_SHOWN, SharedLog};
pub use store::{
    Append, Appended, Beat, Due, Head, Intent, LogStore, MAX_DUE, MAX_NAMES, MAX_PURGES, MAX_READ, Marks,
    NODE_TIMEOUT, NodeId, Peer, Record, RecordId, Settle, StoreError, TABLE_CHUNK, TABLE_SLOTS,
};
