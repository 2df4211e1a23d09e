//! Scripts that run in the server, sent by their hash.

use redis::{Cmd, cmd};

/// A script and its name in the server.
#[derive(Debug)]
pub struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    /// Names a script.
    pub fn new(code: &'static str) -> Self {
        let hash = redis::Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }

    /// Calls it where the server knows it: a few dozen bytes in place of the whole text.
    pub(super) fn by_hash(&self, keys: &[&[u8]], args: &[&[u8]]) -> Cmd {
        call("EVALSHA", self.hash.as_bytes(), keys, args)
    }

    /// Calls it where the server may not know it, and knows it from then on.
    pub(super) fn by_code(&self, keys: &[&[u8]], args: &[&[u8]]) -> Cmd {
        call("EVAL", self.code.as_bytes(), keys, args)
    }
}

fn call(name: &str, script: &[u8], keys: &[&[u8]], args: &[&[u8]]) -> Cmd {
    let mut call = cmd(name);
    call.arg(script).arg(keys.len());
    keys.iter().chain(args).for_each(|arg| {
        call.arg(*arg);
    });
    call
}
