//! The single values of a configuration: what each may be, and what to write when it is something else.

mod basic;
mod cdn;
mod events;
mod http;
mod net;
mod redis;
mod rules;
mod when;

pub(super) use basic::{Fraction, Threads, Token};
pub(super) use cdn::{
    BaseUrl, DoneAnswer, Ident, Key, SecretTemplate, Separator, TagField, UrlTemplate, ValueTemplate,
};
pub(super) use events::{EventPrefix, EventTag, EventUrl, FieldName};
pub(super) use http::{RouteName, Status};
pub(super) use net::Authority;
pub(super) use redis::{Namespace, Password, RedisUrl};
pub(super) use rules::{PrefixTemplate, TagTemplate, UrlTarget};
pub(super) use when::{DoneStatus, FieldTest};
