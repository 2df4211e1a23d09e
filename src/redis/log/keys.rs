//! The keys of a log.

use std::sync::Arc;

/// Keys of one log, in the order in which its scripts take them: its parts, the queues of the CDNs that this node has, and
/// those of others that nodes of the log have.
#[derive(Debug)]
pub(super) struct Keys {
    parts: [String; 9],
    queues: Vec<Vec<u8>>,
    /// The names of those others.
    others: Vec<Vec<u8>>,
}

impl Keys {
    /// The braces make the namespace the hash tag, so that a cluster keeps all keys in one slot, where one script may touch
    /// them at once.
    pub(super) fn new(namespace: &str, own: &[Arc<str>], others: Vec<Vec<u8>>) -> Self {
        let parts =
            ["head", "stream", "table:hard", "table:soft", "intents", "due", "owned", "nodes", "names"];
        let own = own.iter().map(|cdn| queue(namespace, cdn).into_bytes());
        // They come from the server, so they are bytes.
        let of_others = others.iter().map(|cdn| [queue(namespace, "").as_bytes(), cdn].concat());
        Self { parts: parts.map(|part| key(namespace, part)), queues: own.chain(of_others).collect(), others }
    }

    /// All of them: a script names them all, whichever it touches, so that a cluster that is moving their slot has it try
    /// again until they are in one place.
    pub(super) fn all(&self) -> Vec<&[u8]> {
        let queues = self.queues.iter().map(Vec::as_slice);
        self.parts.iter().map(String::as_bytes).chain(queues).collect()
    }

    pub(super) fn stream(&self) -> &str {
        &self.parts[1]
    }

    pub(super) fn names(&self) -> &str {
        &self.parts[8]
    }

    /// The CDNs that only others have.
    pub(super) fn others(&self) -> &[Vec<u8>] {
        &self.others
    }

    /// Whether there is anybody who has to be told names.
    pub(super) fn have_queues(&self) -> bool {
        !self.queues.is_empty()
    }
}

/// A part of a log.
pub(in crate::redis) fn key(namespace: &str, part: &str) -> String {
    format!("{{{namespace}}}:log:{part}")
}

/// The queue of a CDN.
pub(in crate::redis) fn queue(namespace: &str, cdn: &str) -> String {
    key(namespace, &format!("cdn:{cdn}"))
}
