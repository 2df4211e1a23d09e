//! `redis`, and `invalidation.redis`.

use crate::config::read::{At, Field, FromYaml, Hint, Item, record};
use crate::config::units::{Brief, Size};
use crate::config::values::{Namespace, Password, RedisUrl};
use crate::config::yaml::Kind;
use crate::redis::WriteMode;
use std::path::PathBuf;

record! {
    /// `redis` as a mapping.
    Redis, hint: |key| match key {
        "host" | "port" | "server" | "servers" | "address" | "nodes" => {
            Some(Hint::Instead("write `url: redis://127.0.0.1:6379`".into()))
        }
        "db" | "database" => Some(Hint::Instead("write it at the end of `url`: `redis://127.0.0.1:6379/1`".into())),
        "tls" | "ssl" => Some(Hint::Instead("write `url: rediss://…`".into())),
        "user" => Some(Hint::Meant("username")),
        "prefix" => Some(Hint::Meant("namespace")),
        "ttl" => Some(Hint::Instead("write it under `defaults.cache`".into())),
        _ => None,
    };
    "url" => url: RedisUrl,
    "namespace" => namespace: Namespace,
    "username" => username: String,
    "password" => password: Password,
    "sentinel_password" => sentinel_password: Password,
    "ca" => ca: PathBuf,
    "timeout" => timeout: Brief,
    "write" => write: WriteMode,
    "compress" => compress: bool,
    "max_object" => max_object: Size,
}

/// A mapping, or the URL alone.
#[derive(Clone)]
pub(in crate::config) struct RedisChoice(pub(in crate::config) Redis);

impl FromYaml for RedisChoice {
    fn read(item: &Item<'_>) -> Option<Self> {
        if let Kind::Scalar(_) = item.kind() {
            let url: At<RedisUrl> = item.read().into_set()?;
            return Some(Self(Redis {
                url: Field::Set(url),
                namespace: Field::Absent,
                username: Field::Absent,
                password: Field::Absent,
                sentinel_password: Field::Absent,
                ca: Field::Absent,
                timeout: Field::Absent,
                write: Field::Absent,
                compress: Field::Absent,
                max_object: Field::Absent,
            }));
        }
        Redis::read(item).map(Self)
    }
}
