//! `larder purge`

use super::arguments::{Purge, Wait};
use super::client::Reply;
use super::failure::Failure;
use super::output;
use super::target::Target;
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::time::Duration;

/// How long an answer may take to begin, and how long when CDNs have to take the purge first.
const PATIENCE: Duration = Duration::from_secs(10);
const CDN_PATIENCE: Duration = Duration::from_secs(40);

/// Asks a running Larder to purge.
pub(super) fn purge(arguments: &Purge) -> Result<(), Failure> {
    let target = Target::find(arguments.admin.as_ref(), &arguments.file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let position = runtime.block_on(target.purge(arguments))?;
    output::print(&format!("purged at position {position}\n"))
}

impl Target {
    async fn purge(&self, arguments: &Purge) -> Result<String, Failure> {
        let query = match arguments.wait {
            None => "",
            Some(Wait::Node) => "?wait=node",
            Some(Wait::Fleet) => "?wait=fleet",
            Some(Wait::Cdn) => "?wait=cdn",
        };
        let body = document(arguments).to_string();
        let patience = if arguments.wait == Some(Wait::Cdn) { CDN_PATIENCE } else { PATIENCE };
        let reply = self
            .post(&format!("/purge{query}"), body.as_bytes(), patience)
            .await
            .context("nothing was purged: is `larder run` up there? (--admin HOST:PORT names another)")?;
        self.read(&reply)
    }

    fn read(&self, reply: &Reply) -> Result<String, Failure> {
        let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status.is_success() {
            return self.done(&document).ok_or_else(|| self.stranger(reply.status))?;
        }
        Err(self.refusal(reply, "nothing was purged"))
    }

    /// What became of a purge that was taken. `None`: whoever took it is no Larder.
    fn done(&self, document: &Value) -> Option<Result<String, Failure>> {
        let outstanding = &document["outstanding"];
        if let Some(reason) = outstanding["log"].as_str() {
            return Some(Err(anyhow!("purged at {}, and not yet elsewhere: {reason}", self.address).into()));
        }
        let position = document["position"].as_str()?;
        let list = |key: &str| outstanding[key].as_array().cloned().unwrap_or_default();
        let nodes: Vec<_> = list("nodes").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let cdns: Vec<_> = list("cdns").iter().map(told).collect();
        Some(match (nodes.is_empty(), cdns.is_empty()) {
            (true, true) => Ok(position.to_owned()),
            (false, _) => {
                let nodes = nodes.join(", ");
                Err(anyhow!("purged at {position}, but these nodes have not applied it: {nodes}").into())
            }
            (true, false) => {
                let cdns = cdns.join("; ");
                Err(anyhow!("purged at {position}, but not yet by every CDN: {cdns}").into())
            }
        })
    }
}

/// What is said of a CDN that has not taken a purge.
fn told(cdn: &Value) -> String {
    let word = |key: &str| cdn[key].as_str().unwrap_or("?").to_owned();
    let reason = cdn["reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{} {}{reason}", word("cdn"), word("state"))
}

/// The body of `POST /purge`.
fn document(arguments: &Purge) -> Value {
    let Purge { urls, tags, prefixes, routes, all, soft, wait: _, admin: _, file: _ } = arguments;
    json!({ "urls": urls, "tags": tags, "prefixes": prefixes, "routes": routes, "all": all, "soft": soft })
}

#[cfg(test)]
mod tests;
