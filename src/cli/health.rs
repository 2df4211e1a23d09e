//! `larder health`

use super::arguments::Health;
use super::client::Client;
use super::configuration;
use super::failure::Failure;
use super::output;
use super::target::reachable;
use anyhow::{Context, anyhow};
use http::{Method, StatusCode};

/// Asks a running Larder whether it is alive, or may take traffic; both need no token.
pub(super) fn health(arguments: &Health) -> Result<(), Failure> {
    let address = match &arguments.admin {
        Some(address) => address.clone(),
        None => reachable(configuration::load(&arguments.file)?.1.admin.address).to_string(),
    };
    let target = if arguments.ready { "/readyz" } else { "/healthz" };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let mut client = Client::new(&address, &address);
    let reply = runtime.block_on(client.send(Method::GET, target, &[], &[]))?;
    let said = String::from_utf8_lossy(&reply.body);
    if reply.status == StatusCode::OK {
        return output::print(&format!("{}\n", said.trim_end()));
    }
    Err(anyhow!("{address} answers {}: {}", reply.status, said.trim_end()).into())
}
