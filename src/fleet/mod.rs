//! How the nodes of a fleet agree on what was invalidated: one log, followed by all, over a port that names no technology.

mod store;

pub use store::{
    Append, Appended, Beat, Due, Head, Intent, IntentId, LogStore, MAX_DUE, MAX_PURGES, NODE_TIMEOUT, NodeId,
    Peer, Record, RecordId, Settle, StoreError, TABLE_CHUNK, TABLE_SLOTS,
};
