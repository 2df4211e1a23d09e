//! The CDNs in front: each is told what was purged, once all nodes have applied it, and until it has taken it.
//!
//! ```text
//! log ─▶ queue of a CDN ─▶ one node has the lead (`deliver`) and turns purges into targets that the API knows (`reach`),
//!        (`Outbox`)          joins what waits and makes calls of it within the limits of the API (`pending`),
//!                            waits until all nodes have applied what a call is about, keeps to the rate (`budget`),
//!                            repeats what fails (`retry`), buries what cannot be delivered
//!                                └─▶ `Provider` ─▶ CloudFront, Fastly, …
//! ```
//!
//! A purge is queued by what appends it to the invalidation log, in the same step, so that no crash comes between them.
//! It leaves the queue when its CDN has taken it, or as a dead letter that `/stats` shows and `larder cdn retry` brings back.
//! It may be delivered twice, and never not at all.

mod budget;
mod client;
mod deliver;
mod figures;
mod job;
pub mod limits;
mod observer;
mod outbox;
mod pending;
mod provider;
pub mod providers;
mod reach;
mod retry;
mod settings;
mod spelling;
mod tags;

pub use client::{Client, ClientError, judge};
pub use deliver::{Deliveries, DeliveryParts};
pub use figures::{CdnState, CdnStats, Failing, Outstanding, OutstandingReason};
pub use job::{DeadLetter, Job, JobId};
pub use observer::{CallResult, CdnObserver, PurgeResult};
pub use outbox::{Backlog, Outbox, OutboxError, Wait};
pub use provider::{
    Alphabet, Call, CallError, CallId, HostUse, Limits, Location, Many, Provider, Rate, Separator, TagHeader,
    Target, TargetKind,
};
pub use reach::{Aim, Reach, RouteReach, Unsayable};
pub use settings::{CdnSettings, ProviderSettings};
pub use tags::{OVERFLOW, SeparatorClash, TagFields, overflow_word, words_of_matcher};
