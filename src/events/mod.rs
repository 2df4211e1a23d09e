//! The application's own events: what they purge, and what becomes of those that purge nothing.
//!
//! An [`Event`] is a JSON object with a name; [`EventRules`] say which purges a name stands for, with values of the event
//! put into them. Events come one by one over HTTP, and many at once from Redis (a channel, a stream): each of them goes
//! through the [`Intake`], which appends what they purge by the port [`Purges`], counts them, and keeps what it could make
//! nothing of as [letters](Letter) for whoever looks after the application.

mod event;
#[cfg(test)]
pub(crate) mod fake;
mod intake;
mod letters;
mod plan;
mod rules;
mod tally;

pub use event::{BadEvent, Event, MAX_EVENT, Message};
pub use intake::{Handed, Intake, Purges, Refusal, Wanted};
pub use letters::{Letter, MAX_LETTERS};
pub use plan::{EventPlan, MAX_ITEMS, MAX_PURGES, Unplanned, plan_event};
pub use rules::{EventRule, EventRules, EventSelector};
pub use tally::{EventCounts, EventResult, Feed, FeedState, Source};
