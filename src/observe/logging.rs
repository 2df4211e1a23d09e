//! Logs: what is written, in which form, and where to.
//!
//! Everything goes to standard error. `LARDER_LOG` says what (`info`, `larder::engine=debug`, as `tracing` reads it),
//! `LARDER_LOG_FORMAT` in which form (`text` or `json`), `LARDER_ACCESS_LOG` which requests, and `NO_COLOR` does what it does everywhere.

use super::writer::{self, Writing};
use super::{AccessLog, AccessRates, RateError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Unless told otherwise: what Larder does, and of the libraries below it only what went wrong.
const DEFAULT_FILTER: &str = "info,pingora=warn,h2=warn,rustls=warn,moka=warn";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Of what form a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One object a line, for programs.
    Json,
}

/// How to log.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSettings {
    filter: String,
    format: Format,
    color: bool,
    access: AccessRates,
}

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogSetupError {
    /// `LARDER_LOG` cannot be read.
    #[error("LARDER_LOG: {0}; write a level ({levels}) or as in `info,larder::engine=debug`", levels = LEVELS.join(", "))]
    Filter(String),
    /// `LARDER_LOG_FORMAT` is neither.
    #[error("LARDER_LOG_FORMAT: `{0}` is neither `text` nor `json`")]
    Format(String),
    /// `LARDER_ACCESS_LOG` cannot be read.
    #[error("LARDER_ACCESS_LOG: {0}")]
    Access(#[from] RateError),
    /// The process logs already.
    #[error("the process has a log already: {0}")]
    Twice(#[from] TryInitError),
    /// No thread to write with.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[from] std::io::Error),
}

impl LogSettings {
    /// From the environment. `terminal`: whether standard error is one, so that color makes sense.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>, terminal: bool) -> Result<Self, LogSetupError> {
        let filter = env("LARDER_LOG").filter(|text| !text.trim().is_empty());
        let filter = filter.unwrap_or_else(|| DEFAULT_FILTER.to_owned());
        parse_filter(&filter)?;
        let format = match env("LARDER_LOG_FORMAT").as_deref().map(str::trim) {
            None | Some("" | "text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(LogSetupError::Format(other.to_owned())),
        };
        let access = AccessRates::parse(&env("LARDER_ACCESS_LOG").unwrap_or_default())?;
        // https://no-color.org: any value but the empty one.
        let color = terminal && env("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self { filter, format, color, access })
    }

    /// The access log these settings ask for.
    pub fn access(&self) -> AccessLog {
        AccessLog::new(self.access)
    }
}

/// Keeps logging up; what still waits is written when it is dropped. To be held until the process ends.
#[must_use = "dropping it ends the log"]
pub struct LogGuard {
    _writing: Writing,
}

/// Sets up logging for the process. Once.
pub fn init(settings: &LogSettings) -> Result<LogGuard, LogSetupError> {
    let LogSettings { filter, format, color, access: _ } = settings;
    let (lines, writing) = writer::start(std::io::stderr())?;
    let registry = tracing_subscriber::registry().with(parse_filter(filter)?);
    let layer = tracing_subscriber::fmt::layer().with_writer(lines);
    match format {
        Format::Text => registry.with(layer.with_ansi(*color)).try_init()?,
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init()?,
    }
    Ok(LogGuard { _writing: writing })
}

fn parse_filter(text: &str) -> Result<EnvFilter, LogSetupError> {
    if let Some((word, level)) = text.split(',').find_map(|part| misspelt_level(part.trim())) {
        return Err(LogSetupError::Filter(format!("`{word}` is no level, perhaps `{level}`")));
    }
    EnvFilter::builder().parse(text).map_err(|error| LogSetupError::Filter(error.to_string()))
}

/// A bare word is taken for a target that logs everything, so `LARDER_LOG=inof` would silence the log without a word. What is
/// nearly a level was meant as one.
fn misspelt_level(directive: &str) -> Option<(&str, &'static str)> {
    let bare = directive.chars().all(|char| char.is_ascii_alphabetic());
    let known = |level: &&str| level.eq_ignore_ascii_case(directive);
    if !bare || directive.is_empty() || LEVELS.iter().any(known) {
        return None;
    }
    let near = |level: &&&str| strsim::osa_distance(&directive.to_ascii_lowercase(), level) <= 2;
    LEVELS.iter().find(near).map(|level| (directive, *level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(env: &[(&str, &str)], terminal: bool) -> Result<LogSettings, String> {
        let look =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        LogSettings::from_env(&look, terminal).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let want = LogSettings {
            filter: DEFAULT_FILTER.into(),
            format: Format::Text,
            color: true,
            access: AccessRates::default(),
        };
        assert_eq!(settings(&[], true), Ok(want.clone()));
        assert_eq!(
            settings(&[("LARDER_LOG", " "), ("LARDER_LOG_FORMAT", ""), ("NO_COLOR", "")], true),
            Ok(want)
        );
    }

    #[test]
    fn color_needs_a_terminal_and_no_objection() {
        for (env, terminal, want) in [
            (&[][..], true, true),
            (&[], false, false),
            (&[("NO_COLOR", "1")], true, false),
            (&[("NO_COLOR", "")], true, true),
        ] {
            assert_eq!(settings(env, terminal).unwrap().color, want, "{env:?} {terminal}");
        }
    }

    #[test]
    fn faults_name_the_variable_and_the_mend() {
        fn check(name: &str, value: &str, wants: &[&str]) {
            let fault = settings(&[(name, value)], false).unwrap_err();
            for want in [name].iter().chain(wants) {
                assert!(fault.contains(want), "{want:?} is not in {fault:?}");
            }
        }
        check("LARDER_LOG", "inof", &["`inof`", "perhaps `info`", "larder::engine=debug"]);
        check("LARDER_LOG", "info,wran", &["`wran`", "perhaps `warn`"]);
        check("LARDER_LOG", "larder=loud", &["write a level"]);
        check("LARDER_LOG_FORMAT", "xml", &["`xml`", "`json`"]);
        check("LARDER_ACCESS_LOG", "hits=7", &["`hits=7`", "between 0 and 1"]);
    }

    #[test]
    fn filters_that_are_fine() {
        for filter in
            ["info", "WARN", "larder", "larder::engine=debug", "off,larder::access=info", "debug,h2=off"]
        {
            assert!(settings(&[("LARDER_LOG", filter)], false).is_ok(), "{filter}");
        }
    }
}
