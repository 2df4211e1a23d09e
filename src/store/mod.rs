//! Stored replies, and the memory that keeps them.

mod bytes;
mod codec;
mod entry;
mod head;
mod memory;
mod remote;
mod weight;

pub use bytes::gather;
pub use codec::{Compression, DecodeError, decode, encode};
pub use entry::{Entry, EntryParts, Told};
pub use head::{BadBlock, Head};
pub use memory::{Memory, MemorySettings, MemoryStats, Put, Slot};
pub use remote::{Lease, Leased, Looked, Remote, RemoteEntry, RemoteItem, Vacated};
