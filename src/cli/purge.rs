//! `larder purge`

use super::arguments::{Purge, Wait};
use super::client::{Client, Reply};
use super::configuration;
use super::environment;
use super::failure::Failure;
use super::output;
use anyhow::{Context, anyhow};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Asks a running Larder to purge.
pub(super) fn purge(arguments: &Purge) -> Result<(), Failure> {
    let target = Target::find(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let position = runtime.block_on(target.purge(arguments))?;
    output::print(&format!("purged at position {position}\n"))
}

/// Which Larder, and how it lets us in.
struct Target {
    address: String,
    token: Option<String>,
}

impl Target {
    /// By `--admin`, else by the configuration. The token of the environment comes before that of the file, so that one can be
    /// given for a Larder elsewhere.
    fn find(arguments: &Purge) -> Result<Self, Failure> {
        let token = environment("LARDER_ADMIN_TOKEN").filter(|token| !token.is_empty());
        if let Some(address) = &arguments.admin {
            return Ok(Self { address: address.clone(), token });
        }
        let (_, settings) = configuration::load(&arguments.file)?;
        let token = token.or_else(|| settings.admin.token.map(|token| token.expose().to_owned()));
        Ok(Self { address: reachable(settings.admin.address).to_string(), token })
    }

    async fn purge(&self, arguments: &Purge) -> Result<String, Failure> {
        let query = match arguments.wait {
            None => "",
            Some(Wait::Node) => "?wait=node",
            Some(Wait::Fleet) => "?wait=fleet",
        };
        let body = document(arguments).to_string();
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut fields = vec![("Content-Type", "application/json")];
        if let Some(bearer) = &bearer {
            fields.push(("Authorization", bearer));
        }
        let mut client = Client::new(&self.address, &self.address);
        let reply = client
            .send(Method::POST, &format!("/purge{query}"), &fields, body.as_bytes())
            .await
            .context("nothing was purged: is `larder run` up there? (--admin HOST:PORT names another)")?;
        self.read(&reply)
    }

    fn read(&self, reply: &Reply) -> Result<String, Failure> {
        let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if reply.status.is_success() {
            return self.done(&document).ok_or_else(|| self.stranger(reply.status))?;
        }
        let Some(detail) = document["detail"].as_str() else { return Err(self.stranger(reply.status)) };
        let errors = document["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut text = format!("nothing was purged: {detail}");
        for error in errors.iter().skip(1).filter_map(Value::as_str) {
            text.push_str("\nerror: ");
            text.push_str(error);
        }
        match reply.status {
            StatusCode::BAD_REQUEST => Err(Failure::usage(text)),
            StatusCode::UNAUTHORIZED => {
                Err(anyhow!("{text}; put the token into the environment as LARDER_ADMIN_TOKEN").into())
            }
            _ => Err(anyhow!(text).into()),
        }
    }

    /// What became of a purge that was taken. `None`: whoever took it is no Larder.
    fn done(&self, document: &Value) -> Option<Result<String, Failure>> {
        let outstanding = &document["outstanding"];
        if let Some(reason) = outstanding["log"].as_str() {
            return Some(Err(anyhow!("purged at {}, and not yet elsewhere: {reason}", self.address).into()));
        }
        let position = document["position"].as_str()?;
        match outstanding["nodes"].as_array().map(Vec::as_slice).unwrap_or_default() {
            [] => Some(Ok(position.to_owned())),
            nodes => {
                let names: Vec<_> = nodes.iter().filter_map(Value::as_str).collect();
                let names = names.join(", ");
                Some(
                    Err(anyhow!("purged at {position}, but these nodes have not applied it: {names}").into()),
                )
            }
        }
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        anyhow!("what answered at {} ({status}) is no admin listener of Larder", self.address).into()
    }
}

/// The body of `POST /purge`.
fn document(arguments: &Purge) -> Value {
    let Purge { urls, tags, prefixes, routes, all, soft, wait: _, admin: _, file: _ } = arguments;
    json!({ "urls": urls, "tags": tags, "prefixes": prefixes, "routes": routes, "all": all, "soft": soft })
}

/// Where a listener can be reached from this machine: one on every address also on that of the loopback interface.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

#[cfg(test)]
mod tests;
