//! Nodes of one log that have different CDNs, as while their configuration is changed.

use super::{EDGE, Node, OTHER, everything, ids, leader, named, purge, purged, tag};
use crate::log::{append, link_in, log_at, read, record, server_at, settings};
use crate::support::RedisServer;
use larder::cdn::Outbox;
use larder::fleet::{LogStore, NODE_TIMEOUT, NodeId};
use larder::invalidation::{Epoch, Invalidation, Names, Position};
use larder::redis::{RedisLog, RedisLogSettings, RedisServers};
use std::time::Duration;

/// The log of a node that has one CDN of the two.
fn of_one(server: &RedisServer) -> RedisLog {
    let link = link_in(RedisServers::Single(server_at(server.url().strip_prefix("redis://").unwrap())), None);
    RedisLog::new(link, RedisLogSettings { cdns: vec![EDGE.into()], ..settings() })
}

async fn open(log: &RedisLog, known: Option<Epoch>) -> Epoch {
    log.open(Position::START, known).await.unwrap().epoch()
}

/// What waits for the other CDN.
async fn others(node: &Node) -> Vec<Vec<Invalidation>> {
    assert!(node.outbox.lead(OTHER, super::TERM).await.unwrap());
    purged(&node.outbox.next(OTHER, 100, Duration::ZERO).await.unwrap())
}

#[tokio::test]
async fn a_purge_reaches_cdns_that_only_others_have() {
    let server = RedisServer::start().await;
    let one = of_one(&server);
    let epoch = open(&one, None).await;
    append(&one, epoch, &named(0, Position::START)).await;
    let both = Node::at(&server.url(), 1);
    both.open(None).await;
    append(&one, epoch, &named(1, Position::START)).await;
    append(&one, epoch, &named(2, Position::START)).await;
    assert_eq!(others(&both).await, [[tag(1)], [tag(2)]], "all since there is such a CDN");
    assert!(both.leads().await);
    assert_eq!(purged(&both.next().await), [[tag(0)], [tag(1)], [tag(2)]]);
}

#[tokio::test]
async fn a_node_without_cdns_has_them_told_everything_until_it_knows_of_them() {
    let server = RedisServer::start().await;
    let plain = log_at(&server.url());
    let epoch = open(&plain, None).await;
    append(&plain, epoch, &record(0, Position::START)).await;
    assert!(!plain.wants_names());
    let both = Node::at(&server.url(), 1);
    both.open(None).await;
    let (_, between) = append(&plain, epoch, &record(1, Position::START)).await;
    assert_eq!(between.last().unwrap().names, Names::everything(), "who appends it again has it so, too");
    assert!(plain.wants_names());
    append(&plain, epoch, &named(2, Position::START)).await;
    assert_eq!(others(&both).await, [everything(), vec![tag(2)]]);
    let names: Vec<_> =
        read(&plain, epoch, Position::START).await.into_iter().map(|record| record.names).collect();
    assert_eq!(names, [Names::NONE, Names::everything(), Names::of(&[tag(2)])]);

    // Others hear of them when they open the log, or with a heartbeat.
    let opens = log_at(&server.url());
    open(&opens, None).await;
    let beats = log_at(&server.url());
    beats.beat(epoch, NodeId(3), Position::START, NODE_TIMEOUT).await.unwrap();
    assert!(opens.wants_names() && beats.wants_names());
}

/// A day, and a little.
const FORGOTTEN: u64 = 86_500_000;

/// Makes it so many milliseconds ago that a node with the other CDN was heard of.
async fn silence_other(server: &RedisServer, silent: u64) {
    let cdns: String = server.command("HGET {shop}:log:head cdns").await;
    let edge = cdns.lines().find(|line| line.starts_with(EDGE)).unwrap();
    let long_ago = edge.strip_prefix("edge ").unwrap().parse::<u64>().unwrap() - silent;
    let mut command = redis::cmd("HSET");
    command.arg("{shop}:log:head").arg("cdns").arg(format!("{edge}\n{OTHER} {long_ago}\n"));
    command.query_async::<()>(&mut server.connect().await).await.unwrap();
}

#[tokio::test]
async fn a_cdn_that_nobody_has_is_forgotten_and_told_everything_when_it_is_back() {
    for opens in [true, false] {
        let (server, both, epoch) = leader().await;
        let one = of_one(&server);
        open(&one, None).await;
        purge(&both, epoch, 0..1).await;
        assert_eq!(others(&both).await, [[tag(0)]]);
        // Of what was given up nothing is left either.
        let jobs = both.outbox.recover(OTHER, None, 10).await.unwrap();
        both.outbox.bury(OTHER, &ids(&jobs), "refused").await.unwrap();
        purge(&both, epoch, 5..6).await;
        silence_other(&server, FORGOTTEN).await;
        append(&one, epoch, &named(1, Position::START)).await;
        assert_eq!(server.command::<usize>("XLEN {shop}:log:cdn:other").await, 2, "not yet");
        one.beat(epoch, NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap();
        append(&one, epoch, &named(2, Position::START)).await;
        assert_eq!(
            server.command::<Vec<String>>("KEYS {shop}:log:cdn:other*").await,
            [""; 0],
            "nobody reads it"
        );
        assert_eq!(one.deserted(), []);
        // It is known to be gone, so who looks before the log is opened again has everything, and misses what comes then.
        assert_eq!(others(&both).await, [everything()]);
        append(&one, epoch, &named(3, Position::START)).await;
        if opens {
            both.open(Some(epoch)).await;
        } else {
            both.log.beat(epoch, NodeId(1), Position::START, NODE_TIMEOUT).await.unwrap();
        }
        append(&one, epoch, &named(4, Position::START)).await;
        assert_eq!(others(&both).await, [everything(), vec![tag(4)]], "{opens}");
        assert!(both.leads().await);
        assert_eq!(both.next().await.len(), 6, "the other CDN has gone on");
    }
}

#[tokio::test]
async fn a_cdn_whose_nodes_are_all_down_for_a_night_misses_nothing_and_is_told_of() {
    let (server, both, epoch) = leader().await;
    let one = of_one(&server);
    open(&one, None).await;
    purge(&both, epoch, 0..1).await;
    let deserted = async |silent| -> Vec<(String, u64, u64)> {
        silence_other(&server, silent).await;
        one.beat(epoch, NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap();
        one.deserted()
            .into_iter()
            .map(|found| (found.cdn, found.silent.as_secs() / 60, found.waiting))
            .collect()
    };
    assert_eq!(deserted(120_000).await, [], "a restart takes as long");
    let told = |minutes, waiting| vec![(OTHER.to_owned(), minutes, waiting)];
    assert_eq!(deserted(600_500).await, told(10, 1));
    append(&one, epoch, &named(1, Position::START)).await;
    assert_eq!(deserted(12 * 3_600_500).await, told(720, 2));
    // The first to come is a node that does not have it.
    let again = of_one(&server);
    open(&again, None).await;
    append(&again, epoch, &named(2, Position::START)).await;
    both.open(Some(epoch)).await;
    assert_eq!(others(&both).await, [[tag(0)], [tag(1)], [tag(2)]]);
    one.beat(epoch, NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap();
    assert_eq!(one.deserted(), []);
}

#[tokio::test]
async fn a_node_that_beats_keeps_its_cdns() {
    let (server, both, epoch) = leader().await;
    let one = of_one(&server);
    open(&one, None).await;
    silence_other(&server, FORGOTTEN).await;
    both.log.beat(epoch, NodeId(1), Position::START, NODE_TIMEOUT).await.unwrap();
    one.beat(epoch, NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap();
    append(&one, epoch, &named(1, Position::START)).await;
    assert_eq!(others(&both).await, [[tag(1)]]);
}

#[tokio::test]
async fn the_log_that_is_born_next_has_the_same_cdns() {
    for loss in
        ["FLUSHALL", "DEL {shop}:log:stream {shop}:log:cdn:other", "DEL {shop}:log:head {shop}:log:cdn:other"]
    {
        let (server, both, epoch) = leader().await;
        purge(&both, epoch, 0..1).await;
        let one = of_one(&server);
        open(&one, None).await;
        server.command::<redis::Value>(loss).await;
        // Of the nodes that have it none is there.
        let epoch = open(&one, Some(epoch)).await;
        append(&one, epoch, &named(1, Position::START)).await;
        let again = Node::at(&server.url(), 3);
        again.open(None).await;
        server.command::<()>("DEL {shop}:log:cdn:other:lead").await;
        assert_eq!(others(&again).await, [everything(), vec![tag(1)]], "{loss}");
    }
}

#[tokio::test]
async fn nonsense_in_the_place_of_cdns_holds_nobody_up() {
    let (server, both, epoch) = leader().await;
    for nonsense in ["", "x", "other\n", "other x\nother 1", " 7\n7"] {
        let mut command = redis::cmd("HSET");
        command.arg("{shop}:log:head").arg("cdns").arg(nonsense);
        command.query_async::<()>(&mut server.connect().await).await.unwrap();
        append(&both.log, epoch, &named(1, Position::START)).await;
        assert_eq!(others(&both).await.last(), Some(&vec![tag(1)]), "{nonsense:?}");
    }
    // What looks like a CDN is one, whatever its name.
    let mut command = redis::cmd("HSET");
    command.arg("{shop}:log:head").arg("cdns").arg(&b"\xff \xfe 99999999999999\n"[..]);
    command.query_async::<()>(&mut server.connect().await).await.unwrap();
    append(&both.log, epoch, &named(2, Position::START)).await;
    assert_eq!(others(&both).await, [[tag(2)]]);
}
