//! Stored replies, and the memory that keeps them.

mod entry;
mod head;
mod memory;

pub use entry::{Entry, EntryParts, gather};
pub use head::Head;
pub use memory::{Memory, MemorySettings, MemoryStats, Put, Slot};
