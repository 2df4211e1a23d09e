//! A CDN with moods, which writes down what it was told and when.

use crate::support::{Gate, Origin, Reply, Seen, within};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Something that happened at the shop or at the CDN, in the order in which it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The origin committed a write to a path.
    Written(String),
    /// The CDN took a purge of a path.
    Purged(String),
}

/// All that happened.
#[derive(Clone)]
pub(crate) struct Story(watch::Sender<Vec<Event>>);

impl Story {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::default())
    }

    pub(crate) fn tell(&self, event: Event) {
        self.0.send_modify(|events| events.push(event));
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.borrow().clone()
    }

    /// Waits until `holds` for what happened so far; fails the test with `what` if that never comes.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&[Event]) -> bool) {
        let mut events = self.0.subscribe();
        within(what, events.wait_for(|events| holds(events))).await.unwrap();
    }

    /// Waits until every path that was written to was purged after its last write.
    pub(crate) async fn settled(&self) {
        self.until("every write is purged for at the CDN", |events| unpurged(events).is_empty()).await;
    }
}

/// The paths that were written to and not purged since.
pub(crate) fn unpurged(events: &[Event]) -> Vec<&str> {
    let mut paths = Vec::new();
    for event in events {
        match event {
            Event::Written(path) if !paths.contains(&path.as_str()) => paths.push(path.as_str()),
            Event::Written(_) => {}
            Event::Purged(path) => paths.retain(|written| written != path),
        }
    }
    paths
}

/// How a CDN answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes everything.
    Well,
    /// 429, with a wait.
    Throttling,
    /// 503.
    Failing,
    /// Not at all.
    Hanging,
    /// 400: it will never take this.
    Refusing,
    /// 400 for `/page/0`, and everything else it takes.
    RefusingOne,
}

/// The CDN.
pub(crate) struct Cdn {
    server: Origin,
    mood: Arc<Mutex<Mood>>,
    pub(crate) story: Story,
}

impl Cdn {
    pub(crate) async fn start() -> Self {
        let server = Origin::start().await;
        let mood = Arc::new(Mutex::new(Mood::Well));
        let story = Story::new();
        let (moods, told, never) = (Arc::clone(&mood), story.clone(), Gate::shut());
        server.otherwise(move |seen| answer(*moods.lock().unwrap(), seen, &told, &never));
        Self { server, mood, story }
    }

    /// From now on it answers so.
    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.server.requests().len()
    }

    /// Waits until it was asked again.
    pub(crate) async fn asked_since(&self, calls: usize) {
        crate::support::eventually("the CDN is asked", || async {
            tokio::time::sleep(crate::shop::PACE).await;
            self.calls() > calls
        })
        .await;
    }

    /// The lines of a configuration that has it in front. `more`: other keys of the CDN, a line each.
    pub(crate) fn yaml(&self, more: &str) -> String {
        self.yaml_with("{path}", more)
    }

    /// As [`Cdn::yaml`], for a CDN that is told the host, too: as the first segment of the path.
    pub(crate) fn yaml_with_host(&self, more: &str) -> String {
        self.yaml_with("/{host}{path}", more)
    }

    fn yaml_with(&self, path: &str, more: &str) -> String {
        let address = self.server.address();
        let more: String = more.lines().map(|line| format!("    {}\n", line.trim())).collect();
        format!(
            "cdn:\n  - name: edge\n    http:\n      url: {{ method: PURGE, url: \"http://{address}{path}\" }}\n      \
             queries: true\n      all: {{ method: PURGE, url: \"http://{address}/everything\" }}\n    gather: 20ms\n    timeout: 1s\n    rate: 1000/s\n{more}"
        )
    }
}

fn answer(mood: Mood, seen: &Seen, story: &Story, never: &Gate) -> Reply {
    let refused = Reply::status(400).body("no such zone");
    match mood {
        Mood::RefusingOne if seen.path() == "/page/0" => refused,
        Mood::Well | Mood::RefusingOne => {
            story.tell(Event::Purged(seen.path().to_owned()));
            Reply::ok("purged")
        }
        Mood::Throttling => Reply::status(429).header("Retry-After", "1"),
        Mood::Failing => Reply::status(503),
        Mood::Hanging => Reply::ok("late").hold_head(never),
        Mood::Refusing => refused,
    }
}
