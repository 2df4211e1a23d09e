//! What the use of Redis tells of its work; `observe` turns it into metrics.

use super::BreakerState;
use std::time::Duration;

/// Declares [`Op`] from one table of variant, word and meaning.
macro_rules! ops {
    ($($variant:ident $word:literal $help:literal;)*) => {
        /// What Redis is asked for, as metrics tell it apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Op { $(#[doc = $help] $variant),* }

        impl Op {
            /// All of them; one stands at the index that it is as a number.
            pub const EACH: &[Self] = &[$(Self::$variant),*];

            /// One word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

ops! {
    Connect "connect" "A connection is opened, with all that it takes: sentinels asked, TLS, who we are.";
    Ping "ping" "An idle connection is asked whether it lives.";
    Get "get" "A reply is read.";
    Put "put" "Replies are stored.";
    Touch "touch" "A reply is to stay longer.";
    Lease "lease" "The lease of a key is asked for, renewed or given up.";
    Wait "wait" "The end of another node's lease is waited for.";
    Open "open" "The head of the log is looked at.";
    Append "append" "A record is appended to the log.";
    Replicas "replicas" "Replicas are waited for until they have what was appended.";
    Guard "guard" "The head of the log is looked at before a read.";
    Read "read" "The log is followed.";
    Table "table" "A part of the log's table is read.";
    Beat "beat" "A heartbeat.";
    Intend "intend" "An intent is recorded or withdrawn.";
    Lead "lead" "The lead for a CDN is taken, kept or given up.";
    Jobs "jobs" "The queue of a CDN is read or changed.";
    Await "await" "Something new in the queue of a CDN is waited for.";
    Event "event" "Events are waited for in their stream.";
    Settle "settle" "Events of the stream are settled, or taken over.";
}

/// Told of every command.
pub trait RedisObserver: Send + Sync + 'static {
    /// An answer came after `elapsed`, be it an error of the server's.
    fn answered(&self, op: Op, elapsed: Duration);
    /// A command brought nothing; `reason` is of [`super::LinkError::as_str`].
    fn failed(&self, op: Op, reason: &'static str);
    /// The circuit breaker is in another state.
    fn breaker(&self, state: BreakerState);
}

/// Tells nobody.
impl RedisObserver for () {
    fn answered(&self, _op: Op, _elapsed: Duration) {}
    fn failed(&self, _op: Op, _reason: &'static str) {}
    fn breaker(&self, _state: BreakerState) {}
}
