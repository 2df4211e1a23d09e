//! Larder, a caching reverse proxy that never serves what a purge has reached.
//!
//! It stands before an origin service that nobody has to change, keeps replies in memory and in a Redis that many Larders
//! share, and is governed by one YAML file. This page is the map; `docs/architecture.md` says why things are as they are.
//!
//! # The way of a request
//!
//! ```text
//!             ┌────────────────────── answered from memory ──────────────────────┐
//!  client ──▶ listener ─▶ route ─▶ key ─▶ memory ─▶ decide(request, entry, now) ─┴▶ reply
//!                          │                              │
//!                   bypass, unsafe,                 miss, stale, dead
//!                   upgrade, ambiguous                    ▼
//!                          │                        flight (one a key)
//!                          ▼                              │ joins or starts
//!                   Pingora passes it                     ▼
//!                   through untouched               fill ─▶ Redis ─▶ origin ─▶ storable? ─▶ memory, Redis
//!                          │                              ▲
//!                   a write that succeeded,               │ fence: what this node had applied of the invalidation
//!                   or may have                           │ log, taken before the origin is asked
//!                          └──▶ invalidation log ─────────┘
//!                                      │
//!                                      └──▶ every other node
//! ```
//!
//! A *fill* is a task of its own that every client reads, the first one too. An *entry* is judged when it is read, not
//! when a purge arrives: it is dead when one of its matchers was invalidated after its fence.
//!
//! # The layers
//!
//! In the order in which a request meets them. A layer uses only those that are named for it.
//!
//! | layer | what it knows | may use |
//! | --- | --- | --- |
//! | [`proxy`] | Pingora: connections, TLS, HTTP/1 and 2, passing through, writing replies | `engine`, `route`, `key`, `origin`, `observe`, `invalidation` |
//! | [`route`] | which rule governs a request | – |
//! | [`key`] | from a request to the key of its reply | – |
//! | [`engine`] | answers a request; the only place that orders lookup, flight and fill | `store`, `semantics`, `invalidation`, `route`, `key`, the port of `origin` |
//! | [`semantics`] | RFC 9111 and its kin | – |
//! | [`store`] | an entry, its binary form, the memory tier; the port of the tier that nodes share | `semantics`, `invalidation`, `key` |
//! | [`invalidation`] | matchers, ledger, fence, what a write purges; the port of the log | – |
//! | [`events`] | the application's own events: what each purges, what becomes of those that purge nothing | `invalidation`, `key` |
//! | [`fleet`] | how nodes agree: one of them follows the shared log; the port of its server | `invalidation` |
//! | [`origin`] | servers: balancing, health, pools; the port the engine fetches through | `semantics` |
//! | [`cdn`] | the CDNs in front: what each is told, when, and until it has taken it; one file a provider; the port of their queues | `invalidation`, `route` |
//! | [`spool`] | the log of one Larder alone: a journal of announced writes and of the queues for CDNs that outlives it | `invalidation`, the port of `cdn` |
//! | [`redis`] | Redis and Valkey: the shared tier, leases, the log's server, the queues for CDNs, where events come from | the ports of `store`, `fleet` and `cdn`, the intake of `events` |
//! | [`admin`], [`observe`] | purge API, health, metrics, logs | everything above |
//! | [`config`] | YAML text → the settings of each layer, every fault at once | the settings types |
//! | [`app`] | composition and life cycle, in one place | everything |
//! | [`cli`] | verbs and exit codes | everything |
//!
//! What no layer may do is as much a part of the map: `route`, `key`, `semantics` and `invalidation` have no `async`
//! of their own but for the log's port, and read no clock (`now` is an argument; [`time`] alone reads one). `engine`
//! and `fleet` name no Pingora type and no Redis. Only `proxy`, `origin`, `admin` and `app` know Pingora, only `redis` knows Redis,
//! only `config` knows YAML.

pub mod admin;
pub mod app;
pub mod cdn;
pub mod cli;
pub mod config;
mod dice;
pub mod engine;
pub mod events;
pub mod fleet;
pub mod invalidation;
pub mod key;
pub mod observe;
pub mod origin;
pub mod proxy;
mod rarely;
pub mod redis;
pub mod route;
pub mod secret;
pub mod semantics;
pub mod spool;
pub mod store;
pub mod time;
