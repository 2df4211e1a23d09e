//! The application's own events: what takes them, and where they come from.

use super::StartError;
use crate::config::{EventSettings, FeedSettings, Settings};
use crate::engine::Engine;
use crate::events::{EventRules, Feed, FeedState, Intake, Purges};
use crate::fleet::NodeId;
use crate::invalidation::{Appending, Invalidation, LogError, Places};
use crate::observe::Metrics;
use crate::redis::{Link, RedisChannel, RedisStream, StreamSettings};
use crate::time::Clock;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The intake of events, and what feeds it.
pub(super) struct Events {
    pub(super) intake: Arc<Intake>,
    channel: Option<Arc<RedisChannel>>,
    stream: Option<Arc<RedisStream>>,
}

/// Purges by the engine.
struct ByEngine(Arc<Engine>);

#[async_trait]
impl Purges for ByEngine {
    async fn purge(&self, batch: Vec<Invalidation>, urgent: bool) -> Result<Places, LogError> {
        self.0.invalidate_as(Appending { batch, urgent, ..Appending::default() }).await
    }
}

impl Events {
    /// As `settings` say. `node` is the consumer that it is to the stream.
    pub(super) fn new(
        settings: &Settings,
        engine: &Arc<Engine>,
        node: NodeId,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let EventSettings { rules, feeds } = &settings.events;
        let purges = Arc::new(ByEngine(Arc::clone(engine)));
        let intake = Arc::new(Intake::new(rules.clone(), purges, Arc::clone(clock)));
        let Some(FeedSettings { redis, channel, stream, group }) = feeds else {
            return Ok(Self { intake, channel: None, stream: None });
        };
        // A link of its own costs nothing: every feed opens its connection.
        let link = Link::new(redis, Arc::clone(metrics) as Arc<_>);
        let link = link.map_err(|error| StartError::Redis(error.to_string()))?;
        let channel = channel
            .as_ref()
            .map(|name| Arc::new(RedisChannel::new(Arc::clone(&link), name.clone(), Arc::clone(&intake))));
        let stream = stream.as_ref().map(|key| {
            let settings = StreamSettings::new(key.clone(), group.clone(), node.to_string());
            Arc::new(RedisStream::new(Arc::clone(&link), settings, Arc::clone(&intake)))
        });
        Ok(Self { intake, channel, stream })
    }

    /// Goes by other rules from now on.
    pub(super) fn reload(&self, rules: &EventRules) {
        self.intake.set_rules(rules.clone());
    }

    /// Begins to take events from where they come; goes on until `stop`.
    pub(super) fn begin(&self, feeds: &TaskTracker, stop: &CancellationToken) {
        if let Some(channel) = &self.channel {
            let (channel, stop) = (Arc::clone(channel), stop.clone());
            feeds.spawn(async move { channel.run(&stop).await });
        }
        if let Some(stream) = &self.stream {
            let (stream, stop) = (Arc::clone(stream), stop.clone());
            feeds.spawn(async move { stream.run(&stop).await });
        }
    }

    /// What does not work as it should, a sentence each.
    pub(super) fn degraded(&self) -> Vec<String> {
        let down = |feed: Feed, what: &str| match self.intake.feed_state(feed) {
            FeedState::Down(why) => Some(format!("{what}: {why}")),
            FeedState::Off | FeedState::Up => None,
        };
        let channel = down(
            Feed::Channel,
            "events of `events.redis_channel` are not heard, and what is published meanwhile is lost",
        );
        let stream = down(Feed::Stream, "events of `events.redis_stream` have to wait");
        channel.into_iter().chain(stream).collect()
    }
}
