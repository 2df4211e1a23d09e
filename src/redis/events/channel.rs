//! Events that are published.

use super::why;
use crate::events::{Feed, FeedState, Intake, Message, Source};
use crate::invalidation::{Invalidation, Matcher};
use crate::redis::backoff::Backoff;
use crate::redis::{Link, LinkError};
use futures_util::StreamExt;
use redis::Value;
use redis::aio::{PubSub, PubSubStream};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// To open the subscription.
const OPEN: Duration = Duration::from_secs(5);

/// How often the server is asked whether it still speaks to the subscriber, and how long it may take: a connection that the
/// network forgot looks like one on which nothing is said.
const PULSE: Duration = Duration::from_secs(2);

/// A subscription that lasted this long was a success.
const STEADY: Duration = Duration::from_secs(2);

/// Between two appends at least, so that a thousand events a second are a hundred records. The first event of many waits for
/// nobody.
const GATHER: Duration = Duration::from_millis(10);

/// Purges that wait to be appended at most. Beyond it one that reaches everything takes the place of all: too much rather
/// than too little.
const MAX_GATHERED: usize = 1 << 15;

/// Listens to a channel.
///
/// Every node hears every event and appends its purges, although one would be enough: whatever single node listened for all
/// would leave a hole when it died. What is published while the subscription is broken is lost to the node, as Pub/Sub keeps
/// nothing; other nodes heard it unless all of them were cut off.
pub struct RedisChannel {
    link: Arc<Link>,
    channel: String,
    intake: Arc<Intake>,
    gathered: Mutex<Gathered>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Gathered {
    batch: HashSet<Invalidation>,
    whole: usize,
}

impl Gathered {
    fn add(&mut self, batch: Vec<Invalidation>, whole: bool) {
        self.whole += usize::from(whole);
        self.batch.extend(batch);
        if self.batch.len() > MAX_GATHERED {
            tracing::error!("more events came than can be appended: everything is purged in their place");
            self.batch.clear();
            self.batch.insert(Invalidation::hard(Matcher::All));
        }
    }
}

impl RedisChannel {
    /// Hands what is published on `channel` to `intake`. Nothing is heard before [`RedisChannel::run`].
    pub fn new(link: Arc<Link>, channel: String, intake: Arc<Intake>) -> Self {
        intake.feed(Feed::Channel, FeedState::Down("it is not heard yet"));
        Self { link, channel, intake, gathered: Mutex::default(), came: Notify::new() }
    }

    /// Listens until `stop`, and purges what was heard by then.
    pub async fn run(&self, stop: &CancellationToken) {
        tokio::join!(stop.run_until_cancelled(self.listen()), self.append(stop));
    }

    /// Keeps the subscription. Never returns.
    async fn listen(&self) {
        let mut backoff = Backoff::default();
        loop {
            let begun = Instant::now();
            let broken = match self.subscribe().await {
                Ok(subscription) => {
                    self.intake.feed(Feed::Channel, FeedState::Up);
                    self.hear(subscription).await
                }
                Err(error) => {
                    tracing::debug!(channel = self.channel, %error, "no subscription");
                    why(&error)
                }
            };
            self.intake.feed(Feed::Channel, FeedState::Down(broken));
            if begun.elapsed() >= STEADY {
                backoff.reset();
            }
            sleep(backoff.next(rand::random())).await;
        }
    }

    async fn subscribe(&self) -> Result<PubSub, LinkError> {
        // To open a connection takes a large future, and is done once in a long while.
        let mut subscription = Box::pin(self.link.subscriber(self.channel.as_bytes(), OPEN)).await?;
        match timeout(OPEN, subscription.subscribe(&self.channel)).await {
            Ok(subscribed) => subscribed.map(|()| subscription).map_err(LinkError::from),
            Err(_) => Err(LinkError::Timeout),
        }
    }

    /// Gathers what is published until the subscription breaks; says how.
    async fn hear(&self, subscription: PubSub) -> &'static str {
        let (mut sink, mut news) = subscription.split();
        let pulse = async {
            loop {
                sleep(PULSE).await;
                if !matches!(timeout(PULSE, sink.ping::<Value>()).await, Ok(Ok(_))) {
                    return;
                }
            }
        };
        tokio::select! {
            () = pulse => "Redis does not answer",
            () = self.gather(&mut news) => "the connection to Redis broke",
        }
    }

    async fn gather(&self, news: &mut PubSubStream) {
        while let Some(message) = news.next().await {
            let message = Message::Json(message.get_payload_bytes().to_vec());
            let wanted = self.intake.read(Source::Channel, &message);
            self.gathered().add(wanted.batch, wanted.whole);
            self.came.notify_one();
        }
    }

    /// Appends what was gathered, again and again until `stop`, and once more then.
    async fn append(&self, stop: &CancellationToken) {
        while stop.run_until_cancelled(self.came.notified()).await.is_some() {
            let next = Instant::now() + GATHER;
            self.append_gathered().await;
            stop.run_until_cancelled(tokio::time::sleep_until(next)).await;
        }
        self.append_gathered().await;
    }

    async fn append_gathered(&self) {
        let Gathered { batch, whole } = std::mem::take(&mut *self.gathered());
        if batch.is_empty() && whole == 0 {
            return;
        }
        // What the log does not take at once it appends later by itself.
        let _later = self.intake.purge(Source::Channel, batch.into_iter().collect(), whole, false).await;
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: usize) -> Invalidation {
        Invalidation::hard(Matcher::Tag(number.to_string().into()))
    }

    #[test]
    fn what_came_together_is_purged_once_and_too_much_of_it_is_everything() {
        let mut gathered = Gathered::default();
        gathered.add(vec![tag(1), tag(2)], true);
        gathered.add(vec![tag(2), tag(3)], true);
        gathered.add(vec![tag(4)], false);
        assert_eq!((gathered.batch.len(), gathered.whole), (4, 2));
        gathered.add((0..MAX_GATHERED).map(tag).collect(), true);
        assert_eq!(gathered.batch.len(), MAX_GATHERED);
        gathered.add(vec![tag(MAX_GATHERED)], true);
        assert_eq!(gathered.batch, HashSet::from([Invalidation::hard(Matcher::All)]));
        assert_eq!(gathered.whole, 4);
    }
}
