//! Far more purges than anybody needs.

use crate::harness::{At, Pages, Ranks, at, edition_of, nodes, tag_of};
use crate::support::{Connection, Larder, Origin, RedisServer, all};
use serde_json::json;
use std::time::{Duration, Instant};

/// How long it goes on.
const STORM: Duration = Duration::from_secs(3);

/// Purges a second, so many of them in one request to the admin listener.
const A_SECOND: u32 = 1000;
const TOGETHER: u32 = 10;

/// Pages that are read.
const PAGES: usize = 50;

fn page(number: usize) -> String {
    format!("/{}", number % PAGES)
}

/// Reads as fast as it can. Returns how long each took, and how many were hits.
async fn read(node: At, until: Instant) -> (Vec<Duration>, usize) {
    let mut connection = Connection::open(node.address()).await;
    let (mut took, mut hits) = (Vec::new(), 0);
    while Instant::now() < until {
        let sent = Instant::now();
        let reply = node.get(&page(took.len())).send_on(&mut connection).await;
        took.push(sent.elapsed());
        edition_of(&reply);
        hits += usize::from(reply.is_hit());
    }
    (took, hits)
}

/// Purges tags that no page bears, and with each tenth of them one page, at one node. Returns how many it purged.
async fn purge(node: At, first: usize, pages: Pages, until: Instant) -> u32 {
    let pace = Duration::from_secs(1) * TOGETHER * 3 / A_SECOND;
    let mut purged = 0;
    let mut pulse = tokio::time::interval(pace);
    while Instant::now() < until {
        pulse.tick().await;
        let path = page(first + purged as usize);
        let mut tags: Vec<_> = (1..TOGETHER).map(|number| format!("{first}-{}", purged + number)).collect();
        tags.push(tag_of(&path));
        let edition = pages.edit(&path);
        node.purge(&json!({ "tags": tags })).await;
        purged += TOGETHER;
        let served = node.edition(&path).await;
        assert!(served >= edition, "{path}: {served} after {edition} was purged");
    }
    purged
}

#[tokio::test]
async fn a_thousand_purges_a_second_harm_nobody() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let (pages, fleet) = (Pages::at(&origin), at(&fleet));
    let began = Instant::now();
    let until = began + STORM;
    let readers = fleet.iter().flat_map(|node| [*node; 2]).map(|node| tokio::spawn(read(node, until)));
    let readers = readers.collect();
    let purgers = fleet.iter().enumerate();
    let purgers = purgers.map(|(number, node)| tokio::spawn(purge(*node, number * 7, pages.clone(), until)));
    let purged: u32 = all(purgers.collect()).await.into_iter().sum();
    let (mut took, mut hits) = (Vec::new(), 0);
    for (reads, of_them) in all::<(Vec<Duration>, usize)>(readers).await {
        took.extend(reads);
        hits += of_them;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (took, share) = (Ranks::from(took.clone()), 100 * hits / took.len());
    let rates = [f64::from(purged) / seconds, took.count() as f64 / seconds];
    println!("{:.0} purges/s during {:.0} requests/s: {took}; {share} % hits", rates[0], rates[1]);
    assert!(purged > 0 && hits > 0);
    for node in &fleet {
        node.purge_everywhere(&json!({ "tags": ["last"] })).await;
        for number in 0..PAGES {
            let path = page(number);
            assert_eq!(node.edition(&path).await, pages.edition(&path), "{path}");
        }
    }
}
