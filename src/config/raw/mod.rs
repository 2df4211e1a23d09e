//! What a user wrote: every key with its place, nothing defaulted, nothing checked against anything else.
//!
//! The structs here are the list of keys that this version accepts.

mod cache;
mod cdn;
mod events;
mod origin;
mod redis;
mod route;
mod selector;

pub(super) use cache::{Cache, CacheChoice, Query};
pub(super) use cdn::{
    Akamai, Azure, Bunny, Cdn, Cloudflare, Cloudfront, Fastly, Google, HttpApi, HttpCall, TagHeader,
};
pub(super) use events::{EventRule, Events};
pub(super) use origin::{HealthCheck, Origin};
pub(super) use redis::{Redis, RedisChoice};
pub(super) use route::{OnWrite, Purge, Route, When};
pub(super) use selector::{ByEvent, ByWrite, Selector};

use super::read::{Hint, List, Map, record};
use super::units::Size;
use super::values::{Authority, Fraction, Threads, Token};
use crate::observe::Format;
use crate::origin::ServerAddress;
use http::HeaderName;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

record! {
    /// The whole file.
    File, hint: |key| match key {
        "cdns" => Some(Hint::Meant("cdn")),
        "server" | "upstream" | "backend" => Some(Hint::Meant("origin")),
        "upstreams" | "backends" => Some(Hint::Meant("origins")),
        "port" => Some(Hint::Instead("write `listen: [{ address: 0.0.0.0:8080 }]`".into())),
        "valkey" => Some(Hint::Meant("redis")),
        "cache" => Some(Hint::Instead("write it under `defaults`".into())),
        _ if Cache::KEYS.contains(&key) => Some(Hint::Instead("write it under `defaults.cache`".into())),
        _ if Origin::KEYS.contains(&key) => Some(Hint::Instead("write it under `origins.default`".into())),
        _ => None,
    };
    "threads" => threads: Threads,
    "listen" => listen: List<Listen>,
    "trusted_proxies" => trusted_proxies: List<IpNet>,
    "host_aliases" => host_aliases: Map<List<Authority>>,
    "admin" => admin: Admin,
    "origin" => origin: ServerAddress,
    "origins" => origins: Map<Origin>,
    "memory" => memory: Memory,
    "redis" => redis: RedisChoice,
    "region" => region: Region,
    "invalidation" => invalidation: Invalidation,
    "cdn" => cdn: List<Cdn>,
    "access_log" => access_log: AccessLog,
    "defaults" => defaults: Defaults,
    "routes" => routes: List<Route>,
    "events" => events: Events,
}

record! {
    /// `listen`, one of.
    Listen, hint: |key| match key {
        "certificate" | "cert" | "key" => Some(Hint::Instead("write it under `tls`".into())),
        "port" | "host" => Some(Hint::Instead("write both in one: `address: 0.0.0.0:8080`".into())),
        _ => None,
    };
    "address" => address: SocketAddr,
    "tls" => tls: Tls,
    "h2c" => h2c: bool,
}

record! {
    /// `listen[].tls`.
    Tls, hint: |key| match key {
        "cert" | "crt" | "chain" => Some(Hint::Meant("certificate")),
        _ => None,
    };
    "certificate" => certificate: PathBuf,
    "key" => key: PathBuf,
}

record! {
    /// `admin`.
    Admin;
    "address" => address: SocketAddr,
    "token" => token: Token,
}

record! {
    /// `memory`.
    Memory;
    "max_size" => max_size: Size,
    "max_object" => max_object: Size,
}

record! {
    /// `region`.
    Region;
    "header" => header: HeaderName,
    "map" => map: Map<List<String>>,
    "default" => default: String,
}

record! {
    /// `invalidation`.
    Invalidation;
    "redis" => redis: RedisChoice,
    "blind_limit" => blind_limit: Duration,
    "memory" => memory: Size,
    "settle" => settle: Duration,
    "write_bound" => write_bound: Duration,
    "min_replicas" => min_replicas: usize,
    "spool" => spool: PathBuf,
}

record! {
    /// `access_log`.
    AccessLog;
    "hits" => hits: Fraction,
    "others" => others: Fraction,
    "format" => format: Format,
}

record! {
    /// `defaults`.
    Defaults, hint: |key| match key {
        _ if Cache::KEYS.contains(&key) => Some(Hint::Instead("write it under `cache`".into())),
        "origin" => Some(Hint::Instead("write `origin` at the top of the file".into())),
        _ => None,
    };
    "cache" => cache: CacheChoice,
}

#[cfg(test)]
mod tests;
