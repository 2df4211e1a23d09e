//! A document that clients read and write, as an application behind Larder would keep it.

use super::{Reply, Seen};
use bytes::Bytes;
use std::sync::{Arc, Mutex};

/// A document: GET and HEAD read it, PUT replaces it, and its entity tag says which edition it is. Clones are the same
/// document.
#[derive(Clone, Debug)]
pub(crate) struct Document(Arc<Mutex<Edition>>);

#[derive(Clone, Debug)]
struct Edition {
    number: u64,
    body: Bytes,
    cache_control: String,
}

impl Document {
    /// The first edition.
    pub(crate) fn new(body: impl Into<Bytes>, cache_control: &str) -> Self {
        Self(Arc::new(Mutex::new(Edition {
            number: 1,
            body: body.into(),
            cache_control: cache_control.to_owned(),
        })))
    }

    /// Publishes the next edition.
    pub(crate) fn publish(&self, body: impl Into<Bytes>) {
        let mut edition = self.0.lock().expect("nothing panics with it");
        edition.number += 1;
        edition.body = body.into();
    }

    /// What the application answers to a request, as the document stands at this moment.
    pub(crate) fn answer(&self, seen: &Seen) -> Reply {
        match seen.method.as_str() {
            "GET" | "HEAD" => self.read(seen),
            "PUT" => {
                self.publish(seen.body.clone());
                Reply::status(204)
            }
            _ => Reply::status(405),
        }
    }

    fn read(&self, seen: &Seen) -> Reply {
        let edition = self.0.lock().expect("nothing panics with it").clone();
        let tag = format!("\"{}\"", edition.number);
        let reply = match seen.fields.get("if-none-match") {
            Some(known) if known == tag => Reply::not_modified(),
            _ => Reply::ok(edition.body),
        };
        reply.header("ETag", tag).header("Cache-Control", edition.cache_control)
    }
}
