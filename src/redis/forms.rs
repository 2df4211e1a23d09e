//! Scripts in the two forms that servers take.

use super::{Link, LinkError, Op, Script};
use redis::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The two forms of the script made of some files, which reads or writes.
///
/// One that writes also runs where memory is full: a purge refused for want of memory would leave the stale reply in place,
/// and what the log and its queues take is bounded. Without flags a script counts as "writing already" once it has run a
/// command that writes, and Redis refuses none of its commands from then on: so it begins with one that finds nothing to
/// delete.
macro_rules! forms {
    (reads $($file:literal)+) => {
        forms!("#!lua flags=no-writes\n", "", $($file)+)
    };
    (writes $nothing:literal $($file:literal)+) => {
        forms!("#!lua flags=allow-oom\n", concat!("redis.pcall(", $nothing, ")\n"), $($file)+)
    };
    ($flags:literal, $already:expr, $($file:literal)+) => {
        $crate::redis::forms::Forms {
            flagged: $crate::redis::Script::new(concat!($flags $(, include_str!($file), "\n")+)),
            plain: $crate::redis::Script::new(concat!($already $(, include_str!($file), "\n")+)),
        }
    };
}
pub(super) use forms;

/// A script.
pub(super) struct Forms {
    pub(super) flagged: Script,
    /// For Redis 6, which has no flags and takes their line for a mistake.
    pub(super) plain: Script,
}

/// Which of the forms a server takes.
#[derive(Debug, Default)]
pub(super) struct Dialect {
    /// Whether the server was found to know no flags. A newer server takes what an older one took, so this need not be
    /// found out again.
    plain: AtomicBool,
}

impl Dialect {
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

    /// Runs a script over the shared connection, `within` at most.
    pub(super) async fn call(
        &self,
        link: &Link,
        op: Op,
        forms: &Forms,
        keys: &[&[u8]],
        arguments: &[Vec<u8>],
        within: Duration,
    ) -> Result<Value, LinkError> {
        let deadline = Instant::now() + within;
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let mut form = self.form(forms);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match link.script(op, left, form, keys, &arguments).await {
                Ok(reply) => return Ok(reply),
                Err(error) => match self.other(forms, form, &error) {
                    Some(other) => form = other,
                    None => return Err(error),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_without_flags_is_found_once() {
        let dialect = Dialect::default();
        let error = |text: &str| {
            let error = redis::parse_redis_value(text.as_bytes()).and_then(redis::Value::extract_error);
            LinkError::from(error.expect_err("an error"))
        };
        let old = error(
            "-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n",
        );
        let forms = Forms { flagged: Script::new("#!lua"), plain: Script::new("") };
        let Forms { flagged, plain } = &forms;
        let same = |a: Option<&Script>, b: &Script| a.is_some_and(|a| std::ptr::eq(a, b));
        assert!(same(Some(dialect.form(&forms)), flagged));
        assert!(dialect.other(&forms, flagged, &LinkError::Timeout).is_none());
        assert!(dialect.other(&forms, flagged, &error("-ERR something else\r\n")).is_none());
        assert!(same(dialect.other(&forms, flagged, &old), plain));
        assert!(same(Some(dialect.form(&forms)), plain));
        assert!(same(dialect.other(&forms, flagged, &old), plain), "another call was under way");
        assert!(dialect.other(&forms, plain, &old).is_none(), "there is no third form");
    }
}
