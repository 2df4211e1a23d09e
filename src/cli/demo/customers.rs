//! Customers: what they ask for, and what they notice.

use super::catalogue::{CATEGORIES, PRODUCTS};
use super::random::Dice;
use super::scores::{Scores, Seen};
use super::shop::PROBE;
use crate::cli::client::{Client, Reply};
use crate::time::Stopwatch;
use anyhow::Result;
use http::Method;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How many look around at once. With their pauses some 350 requests a second: enough to fill the cache within seconds, and
/// hardly felt by a laptop.
pub(super) const CUSTOMERS: u64 = 20;

/// Between two looks of one customer.
const PAUSE_MILLIS: std::ops::Range<u64> = 20..90;

/// Between two changes of a price, and between two requests past Larder.
const CHANGE_PAUSE: Duration = Duration::from_millis(2500);
const PROBE_PAUSE: Duration = Duration::from_millis(250);

/// What customers look for.
const WORDS: [&str; 6] = ["tea", "dark", "wild", "bread", "golden", "nordic"];

/// Looks around until dropped.
pub(super) async fn browse(larder: String, seed: u64, scores: Arc<Scores>) {
    let mut client = Client::new(&larder, &larder);
    let mut dice = Dice::new(seed);
    loop {
        look(&mut client, &target(&mut dice, seed), &scores).await;
        let pause = PAUSE_MILLIS.start + dice.below(PAUSE_MILLIS.end - PAUSE_MILLIS.start);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// What a customer looks at next: mostly popular products.
fn target(dice: &mut Dice, customer: u64) -> String {
    match dice.below(1000) {
        0..750 => format!("/api/v1/products/{}", 1 + dice.popular_below(u64::from(PRODUCTS))),
        750..880 => {
            format!("/api/v1/categories/{}", CATEGORIES[dice.below(CATEGORIES.len() as u64) as usize])
        }
        880..997 => {
            format!("/api/v1/search?q={}&session={customer}", WORDS[dice.below(WORDS.len() as u64) as usize])
        }
        _ => format!("/api/v1/carts/{customer}"),
    }
}

async fn look(client: &mut Client, target: &str, scores: &Scores) -> Option<Value> {
    let watch = Stopwatch::start();
    let reply = client.send(Method::GET, target, &[], &[]).await;
    scores.add(seen(&reply), watch.elapsed());
    serde_json::from_slice(&reply.ok()?.body).ok()
}

fn seen(reply: &Result<Reply>) -> Seen {
    match reply {
        Ok(reply) if reply.status.is_success() => {
            let status = reply.headers.get("cache-status").map_or(&b""[..], |value| value.as_bytes());
            if status.windows(5).any(|part| part == b"; hit") { Seen::Hit } else { Seen::Miss }
        }
        Ok(_) | Err(_) => Seen::Failure,
    }
}

/// Changes prices until dropped, and looks each time whether the next customer sees the new one.
pub(super) async fn change_prices(larder: String, scores: Arc<Scores>) {
    let mut client = Client::new(&larder, &larder);
    let mut dice = Dice::new(0);
    loop {
        tokio::time::sleep(CHANGE_PAUSE).await;
        let target = format!("/api/v1/products/{}", 1 + dice.popular_below(u64::from(PRODUCTS)));
        let cents = 100 + dice.below(9900);
        let body = format!("{{\"price_cents\":{cents}}}");
        let json = [("content-type", "application/json")];
        let written = client.send(Method::PUT, &target, &json, body.as_bytes()).await;
        if written.is_ok_and(|reply| reply.status.is_success()) {
            let page = look(&mut client, &target, &scores).await.unwrap_or_default();
            scores.add_change(page["price_cents"] == cents);
        }
    }
}

/// Asks the shop itself until dropped: what it would be like without Larder.
pub(super) async fn probe(shop: String, scores: Arc<Scores>) {
    let mut client = Client::new(&shop, &shop);
    let mut dice = Dice::new(1);
    loop {
        let watch = Stopwatch::start();
        let reply = client.send(Method::GET, &target(&mut dice, 0), &[(PROBE, "1")], &[]).await;
        if reply.is_ok() {
            scores.add_direct(watch.elapsed());
        }
        tokio::time::sleep(PROBE_PAUSE).await;
    }
}
