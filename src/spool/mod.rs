//! What has to outlive a process: the writes it announced, and, where it shares no log, the queues of the CDNs.
//!
//! ```text
//! write ─▶ intend ─▶ journal, synced ─▶ origin ─▶ append ─▶ ledger
//!                                                   └─▶ journal: one record that settles the intent
//!                                                       and queues the purge for every CDN
//! start ─▶ journal, read ─▶ what was announced and never settled is purged at once, and again at its deadline;
//!                           what was queued and never settled is handed out again
//! ```
//!
//! The journal is a file of records; [`state`] is what they add up to, and is all that is kept in memory too. Without a
//! folder there is the state alone: the queues of CDNs then end with the process. Beside a log that is shared a spool keeps what that
//! does not take, and what an earlier process left there is handed over.

mod backed;
mod claim;
mod disk;
mod intents;
mod journal;
mod leftovers;
mod log;
mod names;
mod outbox;
mod queue;
mod record;
mod state;
#[cfg(test)]
mod tests;
mod waiting;

pub use backed::BackedLog;
pub use journal::{PATIENCE, Spool, SpoolError, SpoolObserver, SpoolSettings};
pub use log::SpooledLog;
pub use outbox::SpoolOutbox;
