//! Larder, a caching reverse proxy. (The map of the library; written in full when its parts stand.)

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod engine;
pub mod invalidation;
pub mod key;
pub mod observe;
pub mod origin;
pub mod proxy;
pub mod route;
pub mod semantics;
pub mod store;
pub mod time;
