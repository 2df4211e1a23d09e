//! The keys of a log.

use std::sync::Arc;

/// Keys of one log, in the order in which its scripts take them: its parts, then the queues.
#[derive(Debug)]
pub(super) struct Keys {
    parts: [String; 9],
    queues: Vec<String>,
}

impl Keys {
    /// The braces make the namespace the hash tag, so that a cluster keeps all keys in one slot, where one script may touch
    /// them at once.
    pub(super) fn new(namespace: &str, cdns: &[Arc<str>]) -> Self {
        let parts =
            ["head", "stream", "table:hard", "table:soft", "intents", "due", "owned", "nodes", "names"];
        Self {
            parts: parts.map(|part| key(namespace, part)),
            queues: cdns.iter().map(|cdn| queue(namespace, cdn)).collect(),
        }
    }

    /// All of them: a script names them all, whichever it touches, so that a cluster that is moving their slot has it try
    /// again until they are in one place.
    pub(super) fn all(&self) -> Vec<&[u8]> {
        self.parts.iter().chain(&self.queues).map(String::as_bytes).collect()
    }

    pub(super) fn stream(&self) -> &str {
        &self.parts[1]
    }

    pub(super) fn names(&self) -> &str {
        &self.parts[8]
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
