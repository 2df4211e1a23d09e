//! Bodies as they arrive: windows, slow readers, ends that are none.

use super::harness::{Got, MAX_OBJECT, Node};
use crate::engine::{Outcome, SendError};
use http::Method;
use std::time::Duration;

const HOUR: &[(&str, &str)] = &[("cache-control", "max-age=3600")];
const PIECE: usize = 64 * 1024;

#[tokio::test(start_paused = true)]
async fn a_reply_that_breaks_off_is_cut_for_all_and_not_stored() {
    let mut node = Node::new();
    let (first, second) = (node.get("/page"), node.get("/page"));
    let giving = node.asked().await.head(200, HOUR);
    giving.piece(b"half");
    giving.breaks();
    for client in [first, second] {
        assert!(matches!(client.got().await, Got::Cut(SendError::Truncated)));
    }
    let again = node.get("/page");
    node.asked().await.reply(200, HOUR, "whole");
    assert_eq!(again.got().await.body(), "whole");
}

#[tokio::test(start_paused = true)]
async fn an_object_found_too_large_streams_through_a_window() {
    let mut node = Node::new();
    let mut client = node.get("/huge");
    let giving = node.asked().await.head(200, HOUR);
    let pieces = 4 * MAX_OBJECT as usize / PIECE;
    for _ in 0..pieces {
        giving.piece(&[b'x'; PIECE]);
    }
    drop(giving);
    let mut length = 0;
    while let Some(piece) = client.pieces.recv().await {
        length += piece.len();
    }
    assert_eq!(length, pieces * PIECE);
    assert_eq!(client.got().await.outcome(), Outcome::Miss);
    assert!(node.get("/huge").got().await.is_pass(), "and is remembered");
    assert_eq!(node.engine.stats().arriving_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_holds_the_fill_of_an_uncacheable_reply() {
    let mut node = Node::new();
    let client = node.stalls_after("/stream", 1);
    let giving = node.asked().await.head(200, &[("cache-control", "no-store")]);
    for _ in 0..100 {
        giving.piece(&[b'x'; PIECE]);
    }
    node.quiet().await;
    client.task.abort();
    tokio::time::timeout(Duration::from_secs(1), giving.dropped())
        .await
        .expect("the fill stops when nobody reads");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_holds_up_others_is_cut() {
    let mut node = Node::new();
    let slow = node.stalls_after("/huge", 1);
    let mut fast = node.get("/huge");
    let giving = node.asked().await.head(200, HOUR);
    let pieces = 4 * MAX_OBJECT as usize / PIECE;
    for _ in 0..pieces {
        giving.piece(&[b'x'; PIECE]);
    }
    drop(giving);
    let mut length = 0;
    while let Some(piece) = fast.pieces.recv().await {
        length += piece.len();
    }
    assert_eq!(length, pieces * PIECE, "the fast one gets everything, though the other does not read");
    slow.task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_length_over_the_limit_is_known_at_once() {
    let mut node = Node::new();
    let first = node.get("/huge");
    let asked = node.asked().await;
    let second = node.get("/huge");
    node.quiet().await;
    let giving = asked.head(200, &[("cache-control", "max-age=60"), ("content-length", "99999999")]);
    assert!(second.got().await.is_pass());
    giving.breaks();
    assert!(matches!(first.got().await, Got::Cut(SendError::Truncated)));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_an_arriving_reply_is_given_while_it_arrives() {
    let mut node = Node::new();
    let mut part = node.get_with("/page", &[("range", "bytes=2-5")]);
    let giving = node.asked().await.head(200, &[("cache-control", "max-age=60"), ("content-length", "10")]);
    giving.piece(b"0123");
    assert_eq!(part.pieces.recv().await.unwrap(), "23");
    giving.piece(b"456789");
    drop(giving);
    let got = part.got().await;
    assert_eq!((got.status(), got.body()), (206, "2345"));
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.body(), "0123456789");
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_by_a_get_that_fills() {
    let mut node = Node::new();
    let head = node.ask(&Method::HEAD, "/page", &[], usize::MAX);
    let asked = node.asked().await;
    assert_eq!(asked.request.method, Method::GET);
    asked.reply(200, &[("cache-control", "max-age=60"), ("content-length", "4")], "body");
    match head.got().await {
        Got::Reply { body, head, .. } => assert_eq!((body.as_str(), head.content_length), ("", Some(4))),
        other => panic!("{other:?}"),
    }
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.outcome(), Outcome::Hit);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_a_whole_reply() {
    let mut node = Node::new();
    node.fill("/empty", HOUR, "").await;
    let got = node.get("/empty").got().await;
    assert_eq!((got.body(), got.outcome()), ("", Outcome::Hit));
}
