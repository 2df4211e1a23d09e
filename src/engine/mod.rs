//! Answers a request: memory, flight, fill, refresh. The only place that orders these.

mod answer;
mod observer;
mod rules;

pub use answer::{Answer, Failure, Outcome, Reply, ReplyHead, SendError, Sink};
pub use observer::Observer;
pub use rules::{CacheRule, Route, Rules};
