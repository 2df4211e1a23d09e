//! `larder demo`: a slow shop, Larder in front of it, and some customers, in one process.

mod board;
mod catalogue;
mod customers;
mod random;
mod scores;
mod shop;

use super::arguments::Demo;
use super::failure::Failure;
use super::{environment, output};
use crate::admin;
use crate::app::{Larder, Options, Running, StartError};
use crate::config::{self, Settings};
use crate::observe::{self, LogSettings};
use anyhow::{Context, Result, anyhow};
use scores::Scores;
use shop::Shop;
use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const CONFIGURATION: &str = include_str!("shop.yaml");

/// Where Larder listens if the ports are free; else on the next ones.
const PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9090;

/// Ports that are tried. Who has more than these in use has them all.
const MAX_PORTS: u16 = 20;

/// What a query of the shop's database takes.
const DATABASE: Duration = Duration::from_millis(200);

/// Between two states of the live line.
const TICK: Duration = Duration::from_secs(1);

/// How long the replies under way may take at the end; the shop needs a quarter of a second.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// Runs the demo.
pub(super) fn demo(arguments: &Demo) -> Result<(), Failure> {
    // The screen belongs to the live line; only what went wrong is logged.
    let quiet = |name: &str| environment(name).or_else(|| (name == "LARDER_LOG").then(|| "warn".to_owned()));
    let settings = LogSettings::from_env(&quiet, std::io::stderr().is_terminal()).map_err(Failure::usage)?;
    let _log = observe::init(&settings).map_err(anyhow::Error::new)?;
    let listener = TcpListener::bind("127.0.0.1:0").context("no port for the shop")?;
    listener.set_nonblocking(true).context("no socket for the shop")?;
    let address = listener.local_addr().context("no address for the shop")?;
    let running = start((PORT, ADMIN_PORT), address)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start a runtime")?.block_on(run(arguments, &running, listener, address))
}

async fn run(
    arguments: &Demo,
    running: &Running,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<(), Failure> {
    let shop = Arc::new(Shop::new(DATABASE));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let listener = tokio::net::TcpListener::from_std(listener).context("no socket for the shop")?;
    tasks.spawn(admin::serve(Arc::clone(&shop), listener, stop.clone()));

    let scores = Arc::new(Scores::default());
    let mut load = JoinSet::new();
    if !arguments.no_load {
        let larder = front(running)?.to_string();
        load.spawn(customers::probe(address.to_string(), Arc::clone(&scores)));
        load.spawn(customers::change_prices(larder.clone(), Arc::clone(&scores)));
        for seed in 0..customers::CUSTOMERS {
            load.spawn(customers::browse(larder.clone(), 100 + seed, Arc::clone(&scores)));
        }
    }
    output::print(&invitation(front(running)?, running.admin_address(), address))?;
    let shown = tokio::select! {
        shown = show(&scores, &shop, !arguments.no_load) => shown,
        () = end(arguments.length) => Ok(()),
    };

    load.shutdown().await;
    running.drain();
    running.ended().await;
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    shown?;
    let summary = scores.summary();
    if summary.requests > 0 {
        output::print(&format!("\n{}\n", board::last(&summary, shop.asked())))?;
    }
    Ok(())
}

/// Completes when the demo is over: after its time, or at Ctrl-C.
async fn end(length: Option<Duration>) {
    let time = async {
        match length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time => {}
        // Without signals it still ends with its time, or when it is killed.
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
}

/// Keeps the live line up to date, as long as anybody reads it.
async fn show(scores: &Scores, shop: &Shop, load: bool) -> Result<(), Failure> {
    if !load {
        return std::future::pending().await;
    }
    let terminal = std::io::stdout().is_terminal();
    if terminal {
        output::print(&format!("{}\n", board::HEADER))?;
    }
    let mut ticks = tokio::time::interval(TICK);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let summary = scores.summary();
        let line = if terminal {
            // Back to the first column, and away with what is left of a longer line.
            format!("\r{}\x1b[K", board::live(&summary, shop.asked()))
        } else {
            format!("{}\n", board::plain(&summary, shop.asked()))
        };
        if !output::print_while_read(&line)? {
            return Ok(());
        }
    }
}

/// Starts Larder on the first ports that are free, counted from these.
fn start((mut port, mut admin_port): (u16, u16), shop: SocketAddr) -> Result<Running> {
    for _ in 0..2 * MAX_PORTS {
        let settings = settings(port, admin_port, shop)?;
        match Larder::start(settings, Options { drain_deadline: DRAIN_DEADLINE, ..Options::default() }) {
            Err(StartError::AddressInUse { address, .. }) if address.port() == port => port += 1,
            Err(StartError::AddressInUse { address, .. }) if address.port() == admin_port => admin_port += 1,
            started => return started.context("the demo cannot start"),
        }
    }
    Err(anyhow!("no port from {PORT} to {} is free", PORT + MAX_PORTS))
}

fn settings(port: u16, admin_port: u16, shop: SocketAddr) -> Result<Settings> {
    let values = |name: &str| match name {
        "DEMO_ADDRESS" => Some(format!("127.0.0.1:{port}")),
        "DEMO_LOCALHOST" => Some(format!("localhost:{port}")),
        "DEMO_ADMIN" => Some(format!("127.0.0.1:{admin_port}")),
        "DEMO_ORIGIN" => Some(format!("http://{shop}")),
        _ => None,
    };
    config::parse(CONFIGURATION, "shop.yaml", &values).context("the demo's own configuration has faults")
}

fn front(running: &Running) -> Result<SocketAddr> {
    running.addresses().first().copied().context("Larder listens nowhere")
}

fn invitation(larder: SocketAddr, admin: SocketAddr, shop: SocketAddr) -> String {
    // As it was called, so that the line works where `larder` is not in the path.
    let command = std::env::args().next().unwrap_or_else(|| "larder".to_owned());
    format!(
        "\
A shop with {} ms of database behind every answer: http://{shop}
Larder in front of it:                             http://{larder}

Try it from another terminal:
  curl -i http://{larder}/api/v1/products/42        # slow once, then not: see Cache-Status and Age
  curl -i -X PUT http://{larder}/api/v1/products/42 -d '{{\"price_cents\": 995}}'
  curl -i http://{larder}/api/v1/products/42        # the new price, at once
  curl -i 'http://{larder}/api/v1/search?q=tea&x=1' # found again, whatever else the query holds
  curl -i http://{larder}/api/v1/carts/7            # never stored
  {command} purge --admin {admin} --tag product:42
  curl http://{admin}/stats                         # also /metrics and /readyz

Ctrl-C ends it.

",
        DATABASE.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::client::Client;
    use http::Method;

    #[test]
    fn its_configuration_is_valid() {
        let settings = settings(8080, 9090, "127.0.0.1:4711".parse().unwrap()).unwrap();
        let names: Vec<_> = settings.routes.iter().map(|route| &*route.name).collect();
        assert_eq!(names, ["product", "category", "search", "cart", "default"]);
        assert_eq!(settings.listen[0].address.port(), 8080);
    }

    #[test]
    fn the_shop_behind_larder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let running = start((0, 0), listener.local_addr().unwrap()).unwrap();
        let shop = Arc::new(Shop::new(Duration::ZERO));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let stop = CancellationToken::new();
            let serving = tokio::spawn(admin::serve(Arc::clone(&shop), listener, stop.clone()));
            let larder = front(&running).unwrap().to_string();
            let mut client = Client::new(&larder, &larder);
            let mut ask = async |method: &Method, target: &str, body: &str| {
                let reply = client.send(method.clone(), target, &[], body.as_bytes()).await.unwrap();
                let status = reply.headers["cache-status"].to_str().unwrap().to_owned();
                (serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap(), status)
            };

            for page in ["/api/v1/products/42", "/api/v1/categories/tea", "/api/v1/search?q=tea"] {
                let (first, _) = ask(&Method::GET, page, "").await;
                let (second, status) = ask(&Method::GET, page, "").await;
                assert!(status.contains("larder; hit"), "{page}: {status}");
                assert_eq!(first, second, "{page}");
            }
            let asked = shop.asked();
            ask(&Method::GET, "/api/v1/carts/7", "").await;
            ask(&Method::GET, "/api/v1/carts/7", "").await;
            assert_eq!(shop.asked(), asked + 2, "a cart is never stored");
            ask(&Method::PUT, "/api/v1/products/42", "{\"price_cents\":7}").await;
            let (page, _) = ask(&Method::GET, "/api/v1/products/42", "").await;
            assert_eq!(page["price_cents"], 7, "the new price, at once");
            stop.cancel();
            serving.await.unwrap();
        });
        running.stop();
        running.join();
    }
}
