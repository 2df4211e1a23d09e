//! What nodes that share a tier give to each other, and what they do not.

use super::harness::{BLIND_LIMIT, Node};
use crate::engine::{Collapse, Outcome};
use crate::invalidation::{Birth, Epoch, Invalidation, Matcher, Mode, Place, Position, Purge, Term};
use crate::key::KeyHash;
use crate::semantics::FreshnessRule;
use crate::store::{Compression, Lease, Leased, Looked, Remote, RemoteItem, Vacated, decode, encode};
use crate::time::{Clock, SystemClock, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const HOUR: &[(&str, &str)] = &[("cache-control", "max-age=3600")];

/// A tier that does at once what it is asked, in the form in which it would be stored.
#[derive(Clone, Default)]
struct Shelf(Arc<Shared>);

#[derive(Default)]
struct Shared {
    items: Mutex<HashMap<KeyHash, Bytes>>,
    touched: Mutex<Vec<Duration>>,
    leases: Mutex<Vec<KeyHash>>,
    vacated: Notify,
    /// Whether it does not answer.
    away: Mutex<bool>,
    /// What writes wait for, if for anything.
    gate: Mutex<Option<Arc<Notify>>>,
}

impl Shelf {
    fn away(&self, away: bool) {
        *self.0.away.lock().unwrap() = away;
    }

    fn len(&self) -> usize {
        self.0.items.lock().unwrap().len()
    }

    fn is_away(&self) -> bool {
        *self.0.away.lock().unwrap()
    }
}

struct Held(Shelf, KeyHash);

impl Lease for Held {
    fn brings(&self, _hash: KeyHash) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        let Self(shelf, hash) = self;
        shelf.0.leases.lock().unwrap().retain(|held| held != hash);
        shelf.0.vacated.notify_waiters();
    }
}

#[async_trait]
impl Remote for Shelf {
    async fn get(&self, hash: KeyHash, key: &[u8]) -> Looked {
        if self.is_away() {
            return Looked::Unavailable;
        }
        let found = self.0.items.lock().unwrap().get(&hash).cloned();
        found.map_or(Looked::Nothing, |bytes| Looked::Found(decode(&bytes, key, 1 << 20).unwrap()))
    }

    fn takes(&self, _length: u64) -> bool {
        true
    }

    async fn put(&self, hash: KeyHash, item: RemoteItem, _keep: Duration) {
        let gate = self.0.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let bytes = Bytes::from(encode(&item, Compression::Off));
        self.0.items.lock().unwrap().insert(hash, bytes);
    }

    async fn touch(&self, _hash: KeyHash, keep: Duration) {
        self.0.touched.lock().unwrap().push(keep);
    }

    async fn lease(&self, hash: KeyHash) -> Leased {
        let mut leases = self.0.leases.lock().unwrap();
        if leases.contains(&hash) {
            return Leased::Taken;
        }
        leases.push(hash);
        Leased::Held(Box::new(Held(self.clone(), hash)))
    }

    async fn vacated(&self, hash: KeyHash) -> Vacated {
        let vacated = self.0.vacated.notified();
        if !self.0.leases.lock().unwrap().contains(&hash) {
            return Vacated::Released;
        }
        match tokio::time::timeout(Duration::from_secs(2), vacated).await {
            Ok(()) => Vacated::Released,
            Err(_) => Vacated::Expired,
        }
    }
}

struct Fleet {
    shelf: Shelf,
    clock: SystemClock,
}

impl Fleet {
    fn new() -> Self {
        let clock = SystemClock::anchored_at(Timestamp::from_secs(1_700_000_000));
        Self { shelf: Shelf::default(), clock }
    }

    fn node(&self) -> Node {
        self.node_with(FreshnessRule::default())
    }

    fn node_with(&self, freshness: FreshnessRule) -> Node {
        Node::sharing(freshness, self.clock, Arc::new(self.shelf.clone()))
    }

    /// What another node appended, now.
    fn purge(&self, nodes: &[&Node], matcher: &Matcher) {
        let position = Position::next(self.clock.now(), Position::START, nodes[0].ledger.applied());
        for node in nodes {
            node.ledger.apply_purges(position, [Purge::from(&Invalidation::hard(matcher.clone()))]);
        }
    }
}

fn tagged() -> Matcher {
    Matcher::Tag("tagged".into())
}

#[tokio::test(start_paused = true)]
async fn what_one_node_brought_the_others_need_not() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    one.fill("/page", HOUR, "text").await;
    let got = other.get("/page").got().await;
    assert_eq!((got.outcome(), got.body()), (Outcome::Hit, "text"));
    other.quiet().await;
    // From there on it is in memory.
    fleet.shelf.away(true);
    assert_eq!(other.get("/page").got().await.outcome(), Outcome::Hit);
    other.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_purge_reached_is_not_taken_from_the_tier() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    one.fill("/page", HOUR, "old").await;
    fleet.purge(&[&other], &tagged());
    let client = other.get("/page");
    other.asked().await.reply(200, HOUR, "new");
    assert_eq!(client.got().await.body(), "new");
    other.engine.idle().await;
    fleet.purge(&[&one], &tagged());
    assert_eq!(one.get("/page").got().await.body(), "new", "the newer one took its place");
    one.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_own_purge_that_is_not_in_the_log_holds_off_what_others_stored_later() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    other.ledger.apply_here([Purge::from(&Invalidation::hard(tagged()))]);
    fleet.purge(&[&one], &Matcher::Tag("unrelated".into()));
    one.fill("/page", HOUR, "old").await;
    let client = other.get("/page");
    other.asked().await.reply(200, HOUR, "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn what_another_life_of_the_log_vouched_for_is_confirmed_first() {
    for (etag, conditional) in [("\"strong\"", true), ("W/\"weak\"", false)] {
        let fleet = Fleet::new();
        let (mut one, mut other) = (fleet.node(), fleet.node());
        one.fill("/page", &[HOUR[0], ("etag", etag)], "text").await;
        other.ledger.follow(Epoch { birth: Birth(2), term: Term(1) }, &[], None);
        other.ledger.load(Position::at(fleet.clock.now()), [[Position::START; 5]; 2], [&[], &[]]);
        let client = other.get("/page");
        let asked = other.asked().await;
        assert_eq!(asked.field("if-none-match"), conditional.then_some(etag), "{etag}");
        if conditional {
            asked.reply(304, HOUR, "");
            assert_eq!(client.got().await.body(), "text");
        } else {
            asked.reply(200, HOUR, "text");
            assert_eq!(client.got().await.outcome(), Outcome::Miss);
        }
        other.engine.idle().await;
        assert_eq!(other.get("/page").got().await.outcome(), Outcome::Hit);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_follow_the_log_asks_again_within_its_limit() {
    let fleet = Fleet::new();
    let mut node = fleet.node();
    node.fill("/page", HOUR, "text").await;
    tokio::time::advance(Duration::from_secs(3600) + BLIND_LIMIT / 2).await;
    node.fill("/other", HOUR, "text").await;
    tokio::time::advance(BLIND_LIMIT).await;
    // One was validated within the limit, and still only for as long.
    assert_eq!(node.get("/other").got().await.outcome(), Outcome::Hit);
    tokio::time::advance(BLIND_LIMIT / 2).await;
    let client = node.get("/other");
    node.asked().await.reply(200, HOUR, "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_cold_key_costs_one_request_at_all_nodes_together() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    let first = one.get("/page");
    let asked = one.asked().await;
    let second = other.get("/page");
    other.quiet().await;
    asked.reply(200, HOUR, "text");
    assert_eq!(first.got().await.body(), "text");
    assert_eq!(second.got().await.body(), "text");
    other.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_for_everybody_releases_the_other_nodes() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    let first = one.get("/page");
    let asked = one.asked().await;
    let second = other.get("/page");
    other.quiet().await;
    let giving = asked.head(200, &[("cache-control", "no-store")]);
    // As soon as its head is there, not when it ends.
    let beside = other.asked().await;
    beside.reply(200, &[("cache-control", "no-store")], "its own");
    assert_eq!(second.got().await.body(), "its own");
    drop(giving);
    assert_eq!(first.got().await.body(), "");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_falls_silent_is_taken_over_from() {
    let fleet = Fleet::new();
    let mut node = fleet.node();
    let lost = match fleet.shelf.lease(KeyHash::of(b"")).await {
        Leased::Held(lease) => lease,
        _ => panic!("it was free"),
    };
    // The lease of this very key, held by a node that does nothing more.
    let client = node.get("/page");
    let asked = node.asked().await;
    let waiting = fleet.node();
    let second = waiting.get("/page");
    tokio::time::sleep(Duration::from_secs(3)).await;
    fleet.shelf.0.leases.lock().unwrap().clear();
    let mut waiting = waiting;
    tokio::time::sleep(Duration::from_secs(3)).await;
    waiting.asked().await.reply(200, HOUR, "second");
    assert_eq!(second.got().await.body(), "second");
    asked.reply(200, HOUR, "first");
    assert_eq!(client.got().await.body(), "first");
    drop(lost);
}

#[tokio::test(start_paused = true)]
async fn without_the_tier_every_node_asks_for_itself() {
    let fleet = Fleet::new();
    fleet.shelf.away(true);
    let (mut one, mut other) = (fleet.node(), fleet.node());
    let (first, second) = (one.get("/page"), other.get("/page"));
    one.asked().await.reply(200, HOUR, "text");
    other.asked().await.reply(200, HOUR, "text");
    assert_eq!((first.got().await.body(), second.got().await.body()), ("text", "text"));
}

#[tokio::test(start_paused = true)]
async fn nobody_has_the_last_byte_before_the_tier_has_written_through() {
    for length in [None, Some("10")] {
        let fleet = Fleet::new();
        let gate = Arc::<Notify>::default();
        *fleet.shelf.0.gate.lock().unwrap() = Some(Arc::clone(&gate));
        let mut node = fleet.node();
        let mut client = node.get("/page");
        let announced = length.map(|length| ("content-length", length));
        let lines: Vec<_> = HOUR.iter().copied().chain(announced).collect();
        let giving = node.asked().await.head(200, &lines);
        giving.piece(b"first");
        assert_eq!(client.pieces.recv().await.unwrap(), "first", "as it arrives");
        giving.piece(b" last");
        drop(giving);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!client.task.is_finished(), "{length:?}");
        assert_eq!(client.pieces.try_recv().is_ok(), length.is_none(), "{length:?}");
        gate.notify_one();
        assert_eq!(client.got().await.body(), "first last");
    }
}

#[tokio::test(start_paused = true)]
async fn routes_choose_their_tiers() {
    for (memory, remote) in [(true, true), (true, false), (false, true), (false, false)] {
        let fleet = Fleet::new();
        let mut node = fleet.node();
        node.rule(|rule| (rule.memory, rule.remote) = (memory, remote));
        node.fill("/page", HOUR, "text").await;
        assert_eq!(fleet.shelf.len(), usize::from(remote));
        assert_eq!(node.engine.stats().memory.entries, u64::from(memory));
        fleet.shelf.away(true);
        let client = node.get("/page");
        if !memory {
            node.asked().await.reply(200, HOUR, "text");
        }
        assert_eq!(client.got().await.body(), "text", "{memory} {remote}");
    }
}

/// Two nodes of which memory keeps nothing; the first has filled the page.
async fn without_memory(fleet: &Fleet) -> (Node, Node) {
    let (mut one, mut other) = (fleet.node(), fleet.node());
    one.rule(|rule| rule.memory = false);
    other.rule(|rule| rule.memory = false);
    one.fill("/page", HOUR, "old").await;
    one.told();
    (one, other)
}

#[tokio::test(start_paused = true)]
async fn hits_in_the_tier_alone_need_no_fill() {
    let fleet = Fleet::new();
    let (mut one, mut other) = without_memory(&fleet).await;
    for node in [&mut one, &mut other] {
        let got = node.get("/page").got().await;
        assert_eq!((got.outcome(), got.body()), (Outcome::Hit, "old"));
        node.quiet().await;
        assert_eq!(node.told(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn hits_in_the_tier_alone_are_judged() {
    let fleet = Fleet::new();
    let (mut one, mut other) = without_memory(&fleet).await;
    fleet.purge(&[&other], &tagged());
    let (client, second) = (other.get("/page"), other.get("/page"));
    other.asked().await.reply(200, HOUR, "new");
    assert_eq!((client.got().await.body(), second.got().await.body()), ("new", "new"));
    other.engine.idle().await;
    fleet.purge(&[&one], &tagged());
    assert_eq!(one.get("/page").got().await.body(), "new", "the newer one took its place");
    one.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn hits_in_the_tier_alone_end_with_the_blind_limit() {
    let fleet = Fleet::new();
    let (mut one, _) = without_memory(&fleet).await;
    tokio::time::advance(Duration::from_secs(3600) + BLIND_LIMIT / 2).await;
    one.fill("/other", HOUR, "text").await;
    tokio::time::advance(BLIND_LIMIT).await;
    assert_eq!(one.get("/other").got().await.outcome(), Outcome::Hit);
    tokio::time::advance(BLIND_LIMIT / 2).await;
    let client = one.get("/other");
    one.asked().await.reply(200, HOUR, "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_cold_key_without_memory_costs_one_request() {
    let fleet = Fleet::new();
    let (one, mut other) = without_memory(&fleet).await;
    fleet.purge(&[&one, &other], &tagged());
    let clients: Vec<_> = [&one, &other, &other, &one, &other].map(|node| node.get("/page")).into();
    let mut one = one;
    tokio::select! {
        asked = other.asked() => asked.reply(200, HOUR, "new"),
        asked = one.asked() => asked.reply(200, HOUR, "new"),
    }
    for client in clients {
        assert_eq!(client.got().await.body(), "new");
    }
    one.quiet().await;
    other.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn memory_asks_the_tier_again_after_its_time() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    one.rule(|rule| rule.memory_ttl = Some(Duration::from_secs(1)));
    one.fill("/page", HOUR, "text").await;
    other.fill("/else", HOUR, "text").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(one.get("/page").got().await.outcome(), Outcome::Hit);
    one.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn variants_are_found_by_nodes_that_did_not_know_of_them() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    let varies = &[HOUR[0], ("vary", "accept-language")];
    for language in ["en", "de"] {
        let client = one.get_with("/page", &[("accept-language", language)]);
        one.asked().await.reply(200, varies, language);
        assert_eq!(client.got().await.body(), language);
        one.engine.idle().await;
    }
    // All at once, while it is not known yet that there are variants.
    let clients = ["de", "en", "de"]
        .map(|language| (language, other.get_with("/page", &[("accept-language", language)])));
    for (language, client) in clients {
        assert_eq!(client.got().await.body(), language);
    }
    other.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_reply_from_the_tier_is_served_while_it_is_refreshed() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    one.fill("/page", &[("cache-control", "max-age=10, stale-while-revalidate=60")], "old").await;
    tokio::time::advance(Duration::from_secs(20)).await;
    let got = other.get("/page").got().await;
    assert_eq!((got.outcome(), got.body()), (Outcome::Stale, "old"));
    other.asked().await.reply(200, HOUR, "new");
    other.engine.idle().await;
    assert_eq!(other.get("/page").got().await.body(), "new");
    assert_eq!(one.get("/page").got().await.outcome(), Outcome::Stale);
    one.engine.idle().await;
    assert_eq!(one.get("/page").got().await.body(), "new", "its refresh found what the other brought");
    one.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn hits_renew_a_sliding_lifetime_up_to_its_bound() {
    let fleet = Fleet::new();
    let rule = FreshnessRule { ttl: Some(Duration::from_secs(10)), ..FreshnessRule::default() };
    let mut node = fleet.node_with(rule);
    node.rule(|rule| rule.sliding = Some(Duration::from_secs(30)));
    node.fill("/page", &[], "text").await;
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(8)).await;
        assert_eq!(node.get("/page").got().await.outcome(), Outcome::Hit);
        node.engine.idle().await;
    }
    assert_eq!(*fleet.shelf.0.touched.lock().unwrap(), [10, 10, 6].map(Duration::from_secs));
    tokio::time::advance(Duration::from_secs(8)).await;
    let client = node.get("/page");
    node.asked().await.reply(200, &[], "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn who_brings_a_position_never_reads_what_was_before_it() {
    let fleet = Fleet::new();
    let mut node = fleet.node();
    node.fill("/page", HOUR, "old").await;
    let epoch = Epoch { birth: Birth(1), term: Term(1) };
    let ask = |node: &Node, epoch, position| {
        let place = Place { epoch: Some(epoch), position }.to_string();
        node.get_with("/page", &[("larder-position", &place)])
    };
    let applied = node.ledger.applied();
    assert_eq!(ask(&node, epoch, applied).got().await.body(), "old");
    // The log of this node is one of its own, in which nobody else hands out positions.
    let ahead = Position::from_u64(applied.as_u64() + 1);
    assert_eq!(ask(&node, epoch, ahead).got().await.body(), "old");
    node.purge(tagged(), Mode::Hard).await;
    let client = ask(&node, epoch, node.ledger.applied());
    node.asked().await.reply(200, HOUR, "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn those_who_go_by_themselves_do_not_ask_for_a_lease() {
    let fleet = Fleet::new();
    let (mut one, mut other) = (fleet.node(), fleet.node());
    one.rule(|rule| rule.collapse = Collapse::Process);
    other.rule(|rule| rule.collapse = Collapse::Process);
    let (first, second) = (one.get("/page"), other.get("/page"));
    let (asked, beside) = (one.asked().await, other.asked().await);
    asked.reply(200, HOUR, "one");
    beside.reply(200, HOUR, "other");
    assert_eq!((first.got().await.body(), second.got().await.body()), ("one", "other"));
}
