//! Numbers, switches, text and the words of enumerations.

use crate::config::Secret;
use crate::config::fault::{Wrong, quoted};
use crate::config::read::{Scalar, one_of};
use crate::engine::Collapse;
use crate::observe::Format;
use crate::origin::{Balance, Protocol};
use crate::redis::WriteMode;
use crate::semantics::{ClientDirectives, Cookies, SetCookie};
use std::path::PathBuf;

impl Scalar for bool {
    const WHAT: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => {
                let remedy = match text.to_ascii_lowercase().as_str() {
                    "yes" | "y" | "on" | "1" => "write `true`".to_owned(),
                    "no" | "n" | "off" | "0" => "write `false`".to_owned(),
                    _ => format!("write {}", Self::WHAT),
                };
                Err(Wrong::new(format!("{} is neither `true` nor `false`", quoted(text)), remedy))
            }
        }
    }
}

impl Scalar for usize {
    const WHAT: &'static str = "a whole number such as `128`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits => Ok(number),
            _ => Err(Wrong::new(
                format!("{} is not a whole number", quoted(text)),
                format!("write {}", Self::WHAT),
            )),
        }
    }
}

impl Scalar for String {
    const WHAT: &'static str = "a text";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() {
            return Err(Wrong::new("is empty", "write a text, or leave it out"));
        }
        Ok(text.to_owned())
    }
}

impl Scalar for PathBuf {
    const WHAT: &'static str = "the path of a file";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.contains('\0') {
            return Err(Wrong::new(format!("{} is no path", quoted(text)), format!("write {}", Self::WHAT)));
        }
        Ok(text.into())
    }
}

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::config) struct Fraction(pub(in crate::config) f64);

impl Scalar for Fraction {
    const WHAT: &'static str = "a share from `0.0` (none) to `1.0` (all)";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let remedy = match text.strip_suffix('%').and_then(|percent| percent.trim().parse::<f64>().ok()) {
            Some(percent) if (0.0..=100.0).contains(&percent) => format!("write `{}`", percent / 100.0),
            _ => format!("write {}", Self::WHAT),
        };
        match text.parse::<f64>() {
            Ok(share) if (0.0..=1.0).contains(&share) => Ok(Self(share)),
            _ => Err(Wrong::new(format!("{} is not a share from 0 to 1", quoted(text)), remedy)),
        }
    }
}

/// How many runtimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Threads {
    /// One a core.
    Auto,
    Count(usize),
}

impl Threads {
    /// More than any machine has cores; a larger number is a slip of the pen that would exhaust memory.
    const MAX: usize = 1024;
}

impl Scalar for Threads {
    const WHAT: &'static str = "`auto` or a number of threads such as `4`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        match text.parse::<usize>() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(count @ 1..=Self::MAX) => Ok(Self::Count(count)),
            Ok(_) => Err(Wrong::new(
                format!("{} is not from 1 to {}", quoted(text), Self::MAX),
                "write `auto` for one a core",
            )),
            Err(_) => Err(Wrong::new(
                format!("{} is no number of threads", quoted(text)),
                format!("write {}", Self::WHAT),
            )),
        }
    }
}

/// The token of the admin listener. No fault repeats it.
#[derive(Clone)]
pub(in crate::config) struct Token(pub(in crate::config) Secret);

impl Scalar for Token {
    const WHAT: &'static str = "a token of visible ASCII characters";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new("is empty", "write `${LARDER_ADMIN_TOKEN}` and set that variable"));
        }
        // Anything else could not be sent in `Authorization: Bearer`.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Wrong::new(
                "holds characters that a header cannot carry",
                "use visible ASCII characters without spaces",
            ));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// Enumerations: the words, and what they stand for.
macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $value:expr),+ $(,)?) => {
        impl Scalar for $type {
            const WHAT: &'static str = $what;

            fn parse(text: &str) -> Result<Self, Wrong> {
                one_of(text, &[$(($word, $value)),+])
            }
        }
    };
}

words!(Balance, "`round_robin`, `consistent_hash` or `least_connections`",
    "round_robin" => Self::RoundRobin,
    "consistent_hash" => Self::ConsistentHash,
    "least_connections" => Self::LeastConnections,
);

words!(Protocol, "`auto`, `http1`, `h2` or `h2c`",
    "auto" => Self::Auto,
    "http1" => Self::Http1,
    "h2" => Self::H2,
    "h2c" => Self::H2c,
);

words!(Cookies, "`bypass` or `ignore`",
    "bypass" => Self::Bypass,
    "ignore" => Self::Ignore,
);

words!(SetCookie, "`bypass`, `strip` or `store`",
    "bypass" => Self::Bypass,
    "strip" => Self::Strip,
    "store" => Self::Store,
);

words!(ClientDirectives, "`ignore` or `obey`",
    "ignore" => Self::Ignore,
    "obey" => Self::Obey,
);

words!(WriteMode, "`behind` or `through`",
    "behind" => Self::Behind,
    "through" => Self::Through,
);

words!(Format, "`json` or `text`",
    "json" => Self::Json,
    "text" => Self::Text,
);

impl Scalar for Collapse {
    const WHAT: &'static str = "`fleet`, `process` or `off`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let choices = [("fleet", Self::Fleet), ("process", Self::Process), ("off", Self::Off)];
        one_of(text, &choices).map_err(|wrong| match text {
            "false" | "no" | "none" => Wrong::new(wrong.problem, "write `off`"),
            "true" | "yes" | "on" => Wrong::new(wrong.problem, "write `fleet`"),
            _ => wrong,
        })
    }
}
