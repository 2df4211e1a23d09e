//! Events that stand in a stream until they are settled.

use super::reader::{Broken, Reader};
use crate::events::{Feed, FeedState, Intake};
use crate::redis::backoff::Backoff;
use crate::redis::{Link, Script};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// To open a connection.
const OPEN: Duration = Duration::from_secs(5);

/// A connection that lasted this long was a success.
const STEADY: Duration = Duration::from_secs(2);

/// How long one read waits for entries. An order to stop does not wait for its end.
const BLOCK: Duration = Duration::from_secs(2);

/// How often the log is asked whether it took what was handed to it while it was away.
const PROBE: Duration = Duration::from_secs(1);

/// How often entries of nodes that died are looked for, and own ones that wait for the log are kept from being taken for
/// such: a third of the time after which they would be.
const CHORES: Duration = Duration::from_secs(10);

/// Where the stream is, and who reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Its key.
    pub key: String,
    /// The consumer group: each entry is handed to one consumer of it.
    pub group: String,
    /// The consumer that this is; no other may have its name.
    pub consumer: String,
    /// What was handed to another consumer and not settled for so long is taken over.
    pub claim_after: Duration,
    /// A consumer that did not read for so long, and has nothing to settle, is removed.
    pub forget_after: Duration,
}

impl StreamSettings {
    /// As consumer `consumer`. What was not settled for half a minute is taken over, and a consumer that was silent for ten
    /// minutes is forgotten: one that lives settles within milliseconds and reads every few seconds.
    pub fn new(key: String, group: String, consumer: String) -> Self {
        let [claim_after, forget_after] = [30, 600].map(Duration::from_secs);
        Self { key, group, consumer, claim_after, forget_after }
    }
}

/// Reads a stream as one consumer of a group.
///
/// An entry is settled (`XACK`) when the log has taken its purges, and not before: should this node die, another consumer is
/// handed it again. So an event may be purged for twice and is never lost while the stream holds it.
pub struct RedisStream {
    pub(super) link: Arc<Link>,
    pub(super) settings: StreamSettings,
    pub(super) intake: Arc<Intake>,
    pub(super) forget: Script,
}

impl RedisStream {
    /// Hands the stream's entries to `intake`. Nothing is read before [`RedisStream::run`].
    pub fn new(link: Arc<Link>, settings: StreamSettings, intake: Arc<Intake>) -> Self {
        intake.feed(Feed::Stream, FeedState::Down("it is not read yet"));
        Self { link, settings, intake, forget: Script::new(include_str!("forget.lua")) }
    }

    /// Reads until `stop`.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let begun = Instant::now();
            let Err(broken) = self.read(stop).await else { return };
            tracing::debug!(stream = self.settings.key, error = %broken, "the stream cannot be read");
            self.intake.feed(Feed::Stream, FeedState::Down(broken.why()));
            if begun.elapsed() >= STEADY {
                backoff.reset();
            }
            let pause = sleep(backoff.next(rand::random()));
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Reads on one connection until that breaks, or until `stop`.
    async fn read(&self, stop: &CancellationToken) -> Result<(), Broken> {
        let opening = async {
            // To open a connection takes a large future, and is done once in a long while.
            let connection = Box::pin(self.link.dedicated(self.settings.key.as_bytes(), OPEN)).await?;
            let mut reader = Reader::new(self, connection);
            reader.join().await?;
            Ok::<_, Broken>(reader)
        };
        let Some(reader) = stop.run_until_cancelled(opening).await else { return Ok(()) };
        let mut reader = reader?;
        reader.resume().await?;
        self.intake.feed(Feed::Stream, FeedState::Up);
        // Not all nodes at once.
        let mut chores = Instant::now() + CHORES.mul_f64(rand::random());
        loop {
            let block = if reader.holds() { PROBE } else { BLOCK };
            let Some(entries) = stop.run_until_cancelled(reader.read_new(block)).await else { return Ok(()) };
            let entries = entries?;
            if entries.is_empty() && reader.holds() {
                reader.probe().await?;
            }
            reader.take(entries).await?;
            if Instant::now() >= chores {
                reader.chores().await?;
                chores = Instant::now() + CHORES;
            }
        }
    }
}
