//! A running Larder, as the verbs that talk to one find it.

use super::arguments::ConfigFile;
use super::client::{Client, Reply};
use super::configuration;
use super::environment;
use super::failure::Failure;
use anyhow::{Result, anyhow};
use http::{Method, StatusCode};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Which Larder, and how it lets us in.
pub(super) struct Target {
    /// Its admin listener.
    pub(super) address: String,
    /// What it wants to see.
    pub(super) token: Option<String>,
}

impl Target {
    /// By `--admin`, else by the configuration. The token of the environment comes before that of the file, so that one can be
    /// given for a Larder elsewhere.
    pub(super) fn find(admin: Option<&String>, file: &ConfigFile) -> Result<Self, Failure> {
        let token = environment("LARDER_ADMIN_TOKEN").filter(|token| !token.is_empty());
        if let Some(address) = admin {
            return Ok(Self { address: address.clone(), token });
        }
        let (_, settings) = configuration::load(file)?;
        let token = token.or_else(|| settings.admin.token.map(|token| token.expose().to_owned()));
        Ok(Self { address: reachable(settings.admin.address).to_string(), token })
    }

    /// Sends `body` and reads the reply, which may take `patience` to begin.
    pub(super) async fn post(&self, target: &str, body: &[u8], patience: Duration) -> Result<Reply> {
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut fields = vec![("Content-Type", "application/json")];
        if let Some(bearer) = &bearer {
            fields.push(("Authorization", bearer));
        }
        let mut client = Client::new(&self.address, &self.address).patient(patience);
        client.send(Method::POST, target, &fields, body).await
    }

    /// What an admin listener says when it refuses; `not_done`: what therefore was not done.
    pub(super) fn refusal(&self, reply: &Reply, not_done: &str) -> Failure {
        let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let Some(detail) = document["detail"].as_str() else { return self.stranger(reply.status) };
        let errors = document["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut text = format!("{not_done}: {detail}");
        for error in errors.iter().skip(1).filter_map(Value::as_str) {
            text.push_str("\nerror: ");
            text.push_str(error);
        }
        match reply.status {
            StatusCode::BAD_REQUEST => Failure::usage(text),
            StatusCode::UNAUTHORIZED => {
                anyhow!("{text}; put the token into the environment as LARDER_ADMIN_TOKEN").into()
            }
            _ => anyhow!(text).into(),
        }
    }

    /// Who answered is no Larder.
    pub(super) fn stranger(&self, status: StatusCode) -> Failure {
        anyhow!("what answered at {} ({status}) is no admin listener of Larder", self.address).into()
    }
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
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_on_this_machine() {
        for (address, want) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.7:9090", "10.0.0.7:9090"),
        ] {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), want);
        }
    }
}
