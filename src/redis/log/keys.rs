//! The keys of a log.

/// Keys of one log, in the order in which its scripts take them.
#[derive(Debug)]
pub(super) struct Keys([String; 8]);

impl Keys {
    /// The braces make the namespace the hash tag, so that a cluster keeps all keys in one slot, where one script may touch
    /// them at once.
    pub(super) fn new(namespace: &str) -> Self {
        let parts = ["head", "stream", "table:hard", "table:soft", "intents", "due", "owned", "nodes"];
        Self(parts.map(|part| format!("{{{namespace}}}:log:{part}")))
    }

    /// All of them: a script names them all, whichever it touches, so that a cluster that is moving their slot has it try
    /// again until they are in one place.
    pub(super) fn all(&self) -> [&[u8]; 8] {
        self.0.each_ref().map(|key| key.as_bytes())
    }

    pub(super) fn stream(&self) -> &str {
        &self.0[1]
    }
}
