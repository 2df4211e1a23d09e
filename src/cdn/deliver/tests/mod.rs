mod fakes;

use super::*;
use crate::cdn::{CallResult, CdnObserver};
use crate::cdn::{Limits, Location, ProviderSettings, PurgeResult, Rate, Target, TargetKind, providers};
use crate::invalidation::{Invalidation, Matcher};
use crate::secret::Secret;
use crate::time::{SystemClock, Timestamp};
use fakes::{Answer, Api, Queue, Refuses, SlowLog, limits};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use tokio::task::JoinHandle;

const FREE: Rate = Rate { calls: 1000, per: Duration::from_secs(1), burst: 1000 };

/// Counts what it is told.
#[derive(Default)]
struct Tally {
    calls: Mutex<HashMap<&'static str, usize>>,
    purges: Mutex<HashMap<&'static str, usize>>,
    delivered: Mutex<Vec<Duration>>,
    widened: Mutex<usize>,
    dead_letters: Mutex<u64>,
}

impl CdnObserver for Tally {
    fn called(&self, _: &str, result: CallResult, _: Duration) {
        *self.calls.lock().unwrap().entry(result.as_str()).or_default() += 1;
    }
    fn purged(&self, _: &str, result: PurgeResult, targets: usize) {
        *self.purges.lock().unwrap().entry(result.as_str()).or_default() += targets;
    }
    fn delivered(&self, _: &str, after: Duration) {
        self.delivered.lock().unwrap().push(after);
    }
    fn waiting(&self, _: &str, _: u64) {}
    fn dead_letters(&self, _: &str, letters: u64) {
        *self.dead_letters.lock().unwrap() = letters;
    }
    fn widened(&self, _: &str, _: TargetKind) {
        *self.widened.lock().unwrap() += 1;
    }
}

/// A queue, an API behind it, and nodes that deliver.
struct Bench {
    queue: Arc<Queue>,
    api: Arc<Api>,
    clock: SystemClock,
    log: Arc<SlowLog>,
    tally: Arc<Tally>,
    settings: CdnSettings,
}

impl Bench {
    fn new(api: Arc<Api>) -> Self {
        let clock = SystemClock::anchored_at(Timestamp::from_secs(1_800_000_000));
        let settings = CdnSettings {
            name: "edge".into(),
            provider: ProviderSettings::Fastly(providers::fastly::FastlySettings {
                service: "s".into(),
                token: Secret::new("t"),
                tags: false,
                endpoint: None,
            }),
            hosts: Vec::new(),
            public_url: None,
            gather: Duration::from_millis(100),
            second_purge: None,
            give_up_after: Duration::from_secs(24 * 3600),
            timeout: Duration::from_secs(5),
            rate: None,
        };
        let log = Arc::new(SlowLog { lag: Duration::ZERO, asked: Mutex::default() });
        Self { queue: Queue::new(clock), api, clock, log, tally: Arc::default(), settings }
    }

    /// An API that takes a hundred targets a call, as often as it is called, in 20 ms.
    fn usual() -> Self {
        Self::new(Api::new(limits(100, FREE), 20))
    }

    fn node(&self, node: u8) -> Deliveries {
        let provider: Arc<dyn Provider> = self.api.of(node, &self.queue);
        Deliveries::new(DeliveryParts {
            cdns: vec![(self.settings.clone(), provider)],
            outbox: self.queue.of(node),
            log: Arc::clone(&self.log) as Arc<_>,
            reach: Arc::new(ArcSwap::from_pointee(Reach::default())),
            clock: Arc::new(self.clock),
            observer: Arc::clone(&self.tally) as Arc<_>,
            blind_limit: Duration::from_secs(5),
            seed: u128::from(node) << 64 | 99,
        })
    }

    /// A node that delivers, until it is aborted.
    fn start(&self, node: u8) -> (Arc<Deliveries>, JoinHandle<()>) {
        let deliveries = Arc::new(self.node(node));
        let delivery = Arc::clone(&deliveries.each[0]);
        (deliveries, tokio::spawn(async move { delivery.run().await }))
    }

    /// Waits until nothing is left in the queue; how long that took.
    async fn emptied(&self) -> Duration {
        let from = Instant::now();
        while self.queue.waiting() > 0 {
            assert!(from.elapsed() < Duration::from_secs(3600), "{} jobs are left", self.queue.waiting());
            sleep(Duration::from_millis(10)).await;
        }
        from.elapsed()
    }

    fn times(&self) -> Vec<f64> {
        let arrived = self.api.arrived();
        let first = arrived.first().map(|arrived| arrived.at);
        arrived.iter().map(|arrived| (arrived.at - first.unwrap()).as_secs_f64()).collect()
    }
}

fn url(path: &str) -> Target {
    Target::Url(Location { base: "https://shop".into(), path: path.into() })
}

#[tokio::test(start_paused = true)]
async fn a_purge_is_delivered_and_leaves_the_queue() {
    let bench = Bench::usual();
    let (deliveries, _task) = bench.start(1);
    let position = bench.queue.push_path("/a");
    assert_eq!(deliveries.wait(&[position], Duration::from_secs(5)).await, []);
    assert_eq!(bench.api.taken(), [url("/a")]);
    assert_eq!(bench.tally.delivered.lock().unwrap().len(), 1);
    assert_eq!(bench.tally.purges.lock().unwrap()["delivered"], 1);
    assert_eq!(*bench.log.asked.lock().unwrap(), [position]);
    assert_eq!(deliveries.stats()[0].state, CdnState::Delivering);
}

#[tokio::test(start_paused = true)]
async fn what_a_fail_over_brings_back_leaves_the_queue_again() {
    let bench = Bench::usual();
    let (_deliveries, _task) = bench.start(1);
    bench.queue.push_path("/a");
    bench.emptied().await;
    bench.queue.bring_back("/b");
    bench.emptied().await;
    assert_eq!(bench.api.taken(), [url("/a"), url("/b")]);
}

#[tokio::test(start_paused = true)]
async fn five_hundred_writes_in_a_second_are_a_few_calls() {
    let slow = Rate { calls: 1, per: Duration::from_secs(1), burst: 3 };
    let bench = Bench::new(Api::new(limits(3000, slow), 200));
    let (_deliveries, _task) = bench.start(1);
    for number in 0..500 {
        bench.queue.push_path(&format!("/products/{number}"));
        sleep(Duration::from_millis(2)).await;
    }
    bench.emptied().await;
    let taken = bench.api.taken();
    assert_eq!(taken.len(), 500, "each once");
    assert!((0..500).all(|number| taken.contains(&url(&format!("/products/{number}")))));
    assert!(bench.api.arrived().len() <= 6, "{} calls", bench.api.arrived().len());
}

#[tokio::test(start_paused = true)]
async fn an_api_that_takes_one_url_a_call_is_called_side_by_side() {
    let bench = Bench::new(Api::new(limits(1, FREE), 200));
    let (_deliveries, _task) = bench.start(1);
    (0..400).for_each(|number| _ = bench.queue.push_path(&format!("/products/{number}")));
    let took = bench.emptied().await;
    assert_eq!(bench.api.taken().len(), 400);
    assert!(took < Duration::from_secs(15), "forty a second, {took:?}");
}

#[tokio::test(start_paused = true)]
async fn more_than_the_rate_lets_through_becomes_wider() {
    let slow = Rate { calls: 1, per: Duration::from_secs(1), burst: 1 };
    let bench = Bench::new(Api::new(limits(1, slow), 20));
    (0..300).for_each(|number| _ = bench.queue.push_path(&format!("/products/{number}")));
    let (_deliveries, _task) = bench.start(1);
    let took = bench.emptied().await;
    let folder = Target::Prefix(Location { base: "https://shop".into(), path: "/products".into() });
    assert!(bench.api.taken().contains(&folder));
    assert!(*bench.tally.widened.lock().unwrap() > 0);
    assert!(took < Duration::from_secs(70), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn troubles_of_the_api_are_outlasted() {
    let bench = Bench::usual();
    bench.api.will(&[
        Answer::Later("throttled", Some(30)),
        Answer::Later("server_error", None),
        Answer::Hang,
        Answer::Later("credentials", None),
    ]);
    let (deliveries, _task) = bench.start(1);
    bench.queue.push_path("/a");
    sleep(Duration::from_secs(1)).await;
    // Written again while the first is under way: sent again, after it.
    bench.queue.push_path("/a");
    let stats = &deliveries.stats()[0];
    assert_eq!((stats.state, stats.failing.as_ref().unwrap().kind), (CdnState::Waiting, "throttled"));
    bench.emptied().await;
    let arrived = bench.api.arrived();
    assert!(bench.times()[1] >= 30.0, "{:?}", bench.times());
    assert!(arrived[..5].iter().all(|each| each.call == arrived[0].call), "repeated as it was");
    assert_eq!(arrived.len(), 6);
    assert_ne!(arrived[5].call.id, arrived[0].call.id);
    assert_eq!(bench.api.taken(), [url("/a"), url("/a")]);
    let calls = bench.tally.calls.lock().unwrap().clone();
    assert_eq!(
        ["throttled", "server_error", "timeout", "credentials", "delivered"].map(|word| calls[word]),
        [1, 1, 1, 1, 2]
    );
    assert_eq!(deliveries.stats()[0].failing, None);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_a_dead_letter_and_counted() {
    let by_url = Limits { prefix: None, all: false, ..limits(100, FREE) };
    let bench = Bench::new(Api::new(by_url, 20));
    let tag = |name: &str| Invalidation::hard(Matcher::Tag(name.into()));
    bench.queue.push(vec![tag("a"), Invalidation::hard(Matcher::path("shop", "/a")), tag("b")]);
    bench.queue.push_path("/b");
    let (_deliveries, _task) = bench.start(1);
    bench.emptied().await;
    assert_eq!(bench.api.taken(), [url("/a"), url("/b")]);
    assert_eq!(bench.queue.dead().len(), 1);
    sleep(Duration::from_secs(5)).await;
    let purges = bench.tally.purges.lock().unwrap().clone();
    assert_eq!((purges["dead"], purges["delivered"]), (2, 2));
    assert_eq!(*bench.tally.dead_letters.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_is_to_mend_is_said() {
    for (word, said) in [
        ("credentials", "CDN `edge`: its API refuses the credentials; purges wait for better ones"),
        (
            "not_found",
            "CDN `edge`: its API knows no such service, or not with these credentials; purges wait until that is mended",
        ),
    ] {
        let bench = Bench::usual();
        bench.api.will(&vec![Answer::Later(word, None); 9]);
        let (deliveries, _task) = bench.start(1);
        bench.queue.push_path("/a");
        sleep(Duration::from_secs(5)).await;
        assert_eq!(deliveries.degraded(), [said]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_target_is_buried_and_the_others_go_through() {
    let bench = Bench::usual();
    *bench.api.refuses.lock().unwrap() = Refuses::Calls(url("/5"));
    let positions: Vec<_> = (0..9).map(|number| bench.queue.push_path(&format!("/{number}"))).collect();
    let (deliveries, _task) = bench.start(1);
    bench.emptied().await;
    assert_eq!(bench.api.taken().len(), 8);
    let dead = bench.queue.dead();
    assert_eq!((dead.len(), dead[0].job.position, &*dead[0].reason), (1, positions[5], "400 bad target"));
    let outstanding = deliveries.wait(&positions[5..6], Duration::from_secs(1)).await;
    assert_eq!(outstanding[0].reason, OutstandingReason::Dead("400 bad target".into()));
    assert_eq!(deliveries.wait(&positions[8..], Duration::from_secs(1)).await, []);
    assert_eq!(deliveries.wait(&positions, Duration::from_secs(1)).await, outstanding, "one of all");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(deliveries.degraded().len(), 1, "{:?}", deliveries.degraded());
    // The operator mends it.
    *bench.api.refuses.lock().unwrap() = Refuses::Nothing;
    assert!(deliveries.retry(Some("other")).await.is_none());
    assert_eq!(deliveries.retry(None).await.unwrap().unwrap(), [(Arc::from("edge"), 1)]);
    bench.emptied().await;
    assert!(bench.api.taken().contains(&url("/5")) && bench.queue.dead().is_empty());
}

/// Whatever the API refuses for hours, what it takes is told in the end, and soon if it comes later.
#[tokio::test(start_paused = true)]
async fn a_cdn_that_refuses_nearly_everything_is_asked_rarely_and_told_what_it_takes() {
    let bench = Bench::usual();
    *bench.api.refuses.lock().unwrap() = Refuses::AllBut(vec![url("/good"), url("/later")]);
    let (deliveries, _task) = bench.start(1);
    for number in 0..300 {
        bench.queue.push_path(&format!("/bad/{number}"));
    }
    bench.queue.push_path("/good");
    sleep(Duration::from_secs(1800)).await;
    let calls = bench.api.arrived().len();
    assert!(calls < 250, "{calls} calls in half an hour");
    let stats = &deliveries.stats()[0];
    assert_eq!((stats.state, stats.failing.as_ref().unwrap().kind), (CdnState::Waiting, "refused"));
    let later = bench.queue.push_path("/later");
    assert_eq!(deliveries.wait(&[later], Duration::from_secs(300)).await, []);
    sleep(Duration::from_secs(3 * 3600)).await;
    bench.emptied().await;
    assert!(bench.api.taken().contains(&url("/good")));
    assert_eq!(bench.queue.dead().len(), 300);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_for_too_long_is_buried_with_the_last_reason() {
    let mut bench = Bench::usual();
    bench.settings.give_up_after = Duration::from_secs(300);
    *bench.api.unsteady.lock().unwrap() = 100;
    bench.api.will(&[Answer::Later("credentials", None)]);
    let position = bench.queue.push_path("/a");
    let (deliveries, _task) = bench.start(1);
    sleep(Duration::from_secs(4)).await;
    assert!(matches!(
        &deliveries.wait(&[position], Duration::from_secs(2)).await[..],
        [Outstanding { reason: OutstandingReason::Waiting, .. }]
    ));
    let took = bench.emptied().await;
    assert!((280..420).contains(&took.as_secs()), "{took:?}");
    let dead = &bench.queue.dead()[0];
    assert!(dead.reason.starts_with("it said") || dead.reason.starts_with("no answer"), "{}", dead.reason);
    assert_eq!(bench.tally.purges.lock().unwrap()["dead"], 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_all_nodes_know_or_are_blind() {
    let mut bench = Bench::usual();
    bench.log = Arc::new(SlowLog { lag: Duration::from_secs(2), asked: Mutex::default() });
    let from = Instant::now();
    let (_deliveries, _task) = bench.start(1);
    bench.queue.push_path("/a");
    bench.emptied().await;
    let waited = bench.api.arrived()[0].at - from;
    assert!((2.0..3.0).contains(&waited.as_secs_f64()), "{waited:?}");

    let mut bench = Bench::usual();
    bench.log = Arc::new(SlowLog { lag: Duration::from_secs(60), asked: Mutex::default() });
    let from = Instant::now();
    let (_deliveries, _task) = bench.start(1);
    bench.queue.push_path("/a");
    bench.emptied().await;
    let waited = bench.api.arrived()[0].at - from;
    assert!((5.0..6.0).contains(&waited.as_secs_f64()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn purges_are_repeated_where_that_is_set() {
    let mut bench = Bench::usual();
    bench.settings.second_purge = Some(Duration::from_secs(3));
    let (deliveries, task) = bench.start(1);
    let position = bench.queue.push_path("/a");
    sleep(Duration::from_secs(1)).await;
    assert_eq!((bench.api.taken().len(), bench.queue.waiting()), (1, 1), "it stays until the second");
    assert_eq!(deliveries.wait(&[position], Duration::from_secs(1)).await, [], "nobody waits for the second");
    assert_eq!((bench.api.taken().len(), bench.queue.waiting()), (1, 1));
    bench.emptied().await;
    assert_eq!(bench.api.taken(), [url("/a"), url("/a")]);
    assert!(bench.times()[1] >= 3.0);
    assert_eq!(bench.tally.delivered.lock().unwrap().len(), 1);
    // Neither does a crash in between forget the second.
    bench.queue.push_path("/b");
    sleep(Duration::from_secs(1)).await;
    task.abort();
    let (_other, _task) = bench.start(2);
    bench.emptied().await;
    assert_eq!(bench.api.taken().iter().filter(|target| **target == url("/b")).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_reached_costs_no_call_twice() {
    let bench = Bench::usual();
    let (deliveries, _task) = bench.start(1);
    bench.queue.push_path("/a");
    while bench.api.taken().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    bench.queue.set_down(true);
    sleep(Duration::from_secs(6)).await;
    let stats = &deliveries.stats()[0];
    assert_eq!((stats.state, stats.failing.as_ref().unwrap().kind), (CdnState::Unreachable, "queue"));
    assert!(deliveries.degraded()[0].contains("cannot be reached"));
    let unknown = deliveries.wait(&[Position::from_u64(1)], Duration::from_secs(1)).await;
    assert!(matches!(unknown[0].reason, OutstandingReason::Unknown(_)));
    bench.queue.set_down(false);
    bench.emptied().await;
    assert_eq!(bench.api.arrived().len(), 1, "the lead was kept, and what was done with it");
}

#[tokio::test(start_paused = true)]
async fn jobs_whose_handing_out_was_not_heard_of_are_recovered() {
    let bench = Bench::usual();
    let (_deliveries, _task) = bench.start(1);
    sleep(Duration::from_secs(1)).await;
    bench.queue.set_lossy(100);
    bench.queue.push_path("/a");
    sleep(Duration::from_secs(1)).await;
    bench.queue.set_lossy(0);
    bench.emptied().await;
    assert!(bench.api.taken().contains(&url("/a")));
}

#[tokio::test(start_paused = true)]
async fn one_node_delivers_and_another_takes_over_when_it_dies() {
    let bench = Bench::usual();
    let (_one, first) = bench.start(1);
    sleep(Duration::from_millis(100)).await;
    let (two, _task) = bench.start(2);
    (0..50).for_each(|number| _ = bench.queue.push_path(&format!("/{number}")));
    bench.emptied().await;
    assert_eq!(two.stats()[0].state, CdnState::StandingBy);
    assert!(bench.api.arrived().iter().all(|arrived| !arrived.stray));
    // It dies with jobs in hand.
    bench.api.will(&[Answer::Hang]);
    bench.queue.push_path("/last");
    sleep(Duration::from_secs(1)).await;
    first.abort();
    let took = bench.emptied().await;
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(bench.api.taken().len(), 51);
    assert_eq!(two.stats()[0].state, CdnState::Delivering);
    assert!(bench.api.arrived().iter().all(|arrived| !arrived.stray));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_renew_its_lead_stops_in_time() {
    let bench =
        Bench::new(Api::new(limits(1, Rate { calls: 10, per: Duration::from_secs(1), burst: 1 }), 20));
    let (_one, _first) = bench.start(1);
    (0..500).for_each(|number| _ = bench.queue.push_path(&format!("/{number}")));
    sleep(Duration::from_secs(5)).await;
    bench.queue.set_hanging(true);
    sleep(Duration::from_secs(30)).await;
    bench.queue.set_hanging(false);
    let (_two, _second) = bench.start(2);
    bench.emptied().await;
    let strays = bench.api.arrived().iter().filter(|arrived| arrived.stray).count();
    assert_eq!(strays, 0);
}

#[tokio::test(start_paused = true)]
async fn the_end_gives_the_lead_up_and_leaves_the_queue() {
    let bench = Bench::usual();
    let (tasks, ended) = (TaskTracker::new(), CancellationToken::new());
    let one = bench.node(1);
    one.begin(&tasks, &ended);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.queue.leader(), Some(1));
    bench.api.will(&[Answer::Hang]);
    bench.queue.push_path("/a");
    sleep(Duration::from_secs(1)).await;
    ended.cancel();
    tasks.close();
    timeout(Duration::from_secs(1), tasks.wait()).await.unwrap();
    assert_eq!((bench.queue.leader(), bench.queue.waiting()), (None, 1));
    assert_eq!(one.stats()[0].state, CdnState::Stopped);
    let (_two, _task) = bench.start(2);
    assert!(bench.emptied().await < Duration::from_secs(1));
    assert_eq!(bench.api.taken(), [url("/a")]);
}

#[tokio::test(start_paused = true)]
async fn purges_that_cannot_be_said_or_do_not_concern_the_cdn_do_not_stay() {
    let mut bench =
        Bench::new(Api::new(crate::cdn::Limits { all: false, prefix: None, ..limits(10, FREE) }, 20));
    bench.settings.hosts = vec!["shop".into()];
    bench.queue.push(vec![Invalidation::hard(Matcher::path("other", "/a"))]);
    let both =
        vec![Invalidation::hard(Matcher::Tag("t".into())), Invalidation::hard(Matcher::path("shop", "/a"))];
    bench.queue.push(both);
    let (_deliveries, _task) = bench.start(1);
    bench.emptied().await;
    assert_eq!(bench.api.taken(), [url("/a")]);
    assert_eq!(bench.queue.dead().len(), 1);
    assert!(bench.queue.dead()[0].reason.contains("no way to purge by tag"));
}

/// Polls a future `polls` times and drops it.
async fn cut_after(polls: usize, future: impl Future<Output = ()>) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(true);
        }
        left -= 1;
        future.as_mut().poll(context).map(|()| false)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_loses_nothing() {
    for polls in 0..120 {
        let mut bench = Bench::usual();
        bench.settings.second_purge = (polls % 2 == 0).then_some(Duration::from_millis(200));
        let paths = ["/a", "/b", "/c"];
        let first = bench.queue.push_path(paths[0]);
        let node = bench.node(1);
        let crash = async {
            cut_after(polls, node.each[0].run()).await;
        };
        let push = async {
            sleep(Duration::from_millis(50)).await;
            bench.queue.push_path(paths[1]);
        };
        tokio::join!(crash, push);
        let last = bench.queue.push_path(paths[2]);
        let (other, task) = bench.start(2);
        assert_eq!(other.wait(&[last], Duration::from_secs(60)).await, [], "{polls}");
        assert_eq!(other.wait(&[first], Duration::from_secs(60)).await, [], "{polls}");
        let taken = bench.api.taken();
        assert!(paths.iter().all(|path| taken.contains(&url(path))), "{polls}: {taken:?}");
        task.abort();
    }
}

/// Nodes that come and go, an API and a queue that fail: in the end everything was told after it was purged.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_whatever_fails() {
    for seed in 0..60_u128 {
        let dice = Dice::new(seed << 64 | 0x5EED);
        let below = |most: u64| (dice.share() * most as f64) as u64;
        let rate =
            Rate { calls: 1 + below(20) as u32, per: Duration::from_secs(1), burst: 1 + below(5) as u32 };
        let mut bench = Bench::new(Api::new(limits(1 + below(20) as usize, rate), below(500)));
        bench.settings.second_purge = (below(3) == 0).then(|| Duration::from_millis(below(3000)));
        *bench.api.unsteady.lock().unwrap() = below(60);
        let mut nodes: Vec<_> = (1..=2).map(|node| bench.start(node)).collect();
        let mut asked = Vec::new();
        for _ in 0..40 {
            sleep(Duration::from_millis(below(1500))).await;
            match below(10) {
                0 => bench.queue.set_down(below(2) == 0),
                1 => bench.queue.set_lossy(below(40)),
                2 => {
                    let node = below(2) as usize;
                    nodes[node].1.abort();
                    nodes[node] = bench.start(node as u8 + 1);
                }
                3 => bench.queue.set_hanging(below(3) == 0),
                _ => {
                    let path = format!("/{}/{}", below(3), below(5));
                    asked.push((path.clone(), Instant::now()));
                    bench.queue.push_path(&path);
                }
            }
        }
        bench.queue.set_down(false);
        bench.queue.set_hanging(false);
        bench.queue.set_lossy(0);
        *bench.api.unsteady.lock().unwrap() = 0;
        bench.emptied().await;
        assert!(bench.queue.dead().is_empty());
        let arrived = bench.api.arrived();
        for (path, at) in asked {
            let told = arrived
                .iter()
                .any(|each| each.taken && each.at >= at && each.call.targets.contains(&url(&path)));
            assert!(told, "seed {seed}: {path} was not told after {at:?}");
        }
        nodes.into_iter().for_each(|(_, task)| task.abort());
    }
}
