//! What a burst of writes becomes at CloudFront, told in figures.

use crate::python::Python;
use crate::shop::{Keeper, Shop, until, write};
use crate::support::{Process, within};
use serde_json::Value;
use std::collections::HashSet;
use std::time::Instant;

/// Writes in the burst, each to a page of its own.
const WRITES: usize = 500;

/// Clients that write at once.
const CLIENTS: usize = 10;

const AWS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("NO_PROXY", "127.0.0.1"),
];

/// The calls that CloudFront took, once every page is among their paths.
async fn arrived(moto: &mut Python, distribution: &str) -> Vec<Value> {
    let pages: HashSet<_> = (0..WRITES).map(|page| format!("/page/{page}")).collect();
    loop {
        let calls = moto.ask(&format!("read {distribution}")).await;
        let calls = calls.as_array().unwrap().clone();
        let paths = calls.iter().flat_map(|call| call["paths"].as_array().unwrap());
        let paths: HashSet<_> = paths.map(|path| path.as_str().unwrap().to_owned()).collect();
        if pages.is_subset(&paths) {
            return calls;
        }
        tokio::time::sleep(crate::shop::PACE).await;
    }
}

async fn check(keeper: Keeper) {
    let mut moto = Python::start("cloudfront.py").await;
    let distribution = moto.ask("create").await.as_str().unwrap().to_owned();
    let cdn = format!(
        "cdn: [{{ name: edge, cloudfront: {{ distribution: {distribution}, endpoint: \"{}\" }} }}]\n",
        moto.url()
    );
    let shop = Shop::start(&crate::cdn::Story::new()).await;
    let process = Process::run_with(&shop.larder(&keeper, &cdn), &AWS).await;
    crate::shop::well(&process).await;

    let begun = Instant::now();
    let share = |client: usize| (client..WRITES).step_by(CLIENTS);
    let clients = (0..CLIENTS).map(|client| {
        let process = &process;
        async move {
            for page in share(client) {
                write(process, &format!("/page/{page}")).await;
            }
        }
    });
    futures_util::future::join_all(clients).await;
    let written = begun.elapsed();
    let everything = arrived(&mut moto, &distribution);
    let calls = within("every path arrives at CloudFront", everything).await;
    let delivered = begun.elapsed();
    until(&process, "the queue is empty", |figures| figures["waiting"] == 0).await;
    let quantities: Vec<_> = calls.iter().map(|call| call["quantity"].as_u64().unwrap()).collect();
    println!(
        "with {}: {WRITES} PUTs in {written:.1?}; {} calls of {quantities:?} paths; all arrived, the last {:.1?} after the last PUT",
        keeper.name(),
        calls.len(),
        delivered.saturating_sub(written),
    );
    let figures: Value = crate::shop::figures(&process).await;
    assert_eq!(figures["dead_letters"], 0, "{figures:#}");
}

#[tokio::test]
async fn a_burst_of_writes_is_a_few_calls_to_cloudfront_with_redis() {
    check(Keeper::redis().await).await;
}

#[tokio::test]
async fn a_burst_of_writes_is_a_few_calls_to_cloudfront_with_the_spool() {
    check(Keeper::spool()).await;
}
