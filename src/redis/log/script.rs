//! The scripts, in the two forms that servers take.

use crate::redis::{LinkError, Script};
use std::sync::atomic::{AtomicBool, Ordering};

/// The two forms of the script in a file, which reads or writes.
///
/// One that writes also runs where memory is full: a purge refused for want of memory would leave the stale reply in place,
/// and what the log takes is bounded. Without flags a script counts as "writing already" once it has run a command that
/// writes, and Redis refuses none of its commands from then on: so it begins with one that finds nothing to delete.
macro_rules! forms {
    (reads $file:literal) => {
        forms!("#!lua flags=no-writes\n", "\n", $file)
    };
    (writes $file:literal) => {
        forms!("#!lua flags=allow-oom\n", "\nredis.pcall('HDEL', KEYS[5], '')\n", $file)
    };
    ($flags:literal, $already:literal, $file:literal) => {
        Forms {
            flagged: Script::new(concat!($flags, include_str!("guard.lua"), "\n", include_str!($file))),
            plain: Script::new(concat!(include_str!("guard.lua"), $already, include_str!($file))),
        }
    };
}

/// A script of the log.
pub(super) struct Forms {
    flagged: Script,
    /// For Redis 6, which has no flags and takes their line for a mistake.
    plain: Script,
}

/// All of them.
pub(super) struct Scripts {
    pub(super) open: Forms,
    pub(super) append: Forms,
    pub(super) follow: Forms,
    pub(super) table: Forms,
    pub(super) beat: Forms,
    pub(super) leave: Forms,
    pub(super) intend: Forms,
    pub(super) withdraw: Forms,
    /// Whether the server was found to know no flags. A newer server takes what an older one took, so this need not be
    /// found out again.
    plain: AtomicBool,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            open: forms!(writes "open.lua"),
            append: forms!(writes "append.lua"),
            follow: forms!(reads "follow.lua"),
            table: forms!(reads "table.lua"),
            beat: forms!(writes "beat.lua"),
            leave: forms!(writes "leave.lua"),
            intend: forms!(writes "intend.lua"),
            withdraw: forms!(writes "withdraw.lua"),
            plain: AtomicBool::new(false),
        }
    }

    /// The form that the server takes, as far as is known.
    pub(super) fn form<'a>(&self, forms: &'a Forms) -> &'a Script {
        if self.plain.load(Ordering::Relaxed) { &forms.plain } else { &forms.flagged }
    }

    /// The form to be tried after `sent`, if the error was the compiler's, which stumbled over the flags.
    pub(super) fn other<'a>(&self, forms: &'a Forms, sent: &Script, error: &LinkError) -> Option<&'a Script> {
        let stumbled = error.detail().is_some_and(|detail| detail.contains("symbol near '#'"));
        if !stumbled || std::ptr::eq(sent, &raw const forms.plain) {
            return None;
        }
        self.plain.store(true, Ordering::Relaxed);
        Some(&forms.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_without_flags_is_found_once() {
        let scripts = Scripts::new();
        let error = |text: &str| {
            let error = redis::parse_redis_value(text.as_bytes()).and_then(redis::Value::extract_error);
            LinkError::from(error.expect_err("an error"))
        };
        let old = error(
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n",
        );
        let Forms { flagged, plain } = &scripts.beat;
        let same = |a: Option<&Script>, b: &Script| a.is_some_and(|a| std::ptr::eq(a, b));
        assert!(same(Some(scripts.form(&scripts.beat)), flagged));
        assert!(scripts.other(&scripts.beat, flagged, &LinkError::Timeout).is_none());
        assert!(scripts.other(&scripts.beat, flagged, &error("-ERR something else\r\n")).is_none());
        assert!(same(scripts.other(&scripts.beat, flagged, &old), plain));
        assert!(same(Some(scripts.form(&scripts.beat)), plain));
        assert!(same(scripts.other(&scripts.beat, flagged, &old), plain), "another call was under way");
        assert!(scripts.other(&scripts.beat, plain, &old).is_none(), "there is no third form");
    }
}
