//! Logs: what is written, in which form, and where to.
//!
//! What Larder does goes to standard error. `LARDER_LOG` says how much of it (`info`, `larder::engine=debug`, as `tracing` reads
//! it), `LARDER_LOG_FORMAT` in which form (`text` or `json`), and `NO_COLOR` does what it does everywhere. Lines about requests
//! go to standard output; see [`AccessLog`](super::AccessLog).

use super::access::{JSON_TARGET, TEXT_TARGET};
use super::writer::{self, Lines, Writing};
use tracing::Metadata;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, fmt};

/// Unless told otherwise: what Larder does, and of the libraries below it only what went wrong.
const DEFAULT_FILTER: &str = "info,pingora=warn,h2=warn,rustls=warn,moka=warn,aws_config=warn";

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
        // https://no-color.org: any value but the empty one.
        let color = terminal && env("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self { filter, format, color })
    }
}

/// Keeps logging up; what still waits is written when it is dropped. To be held until the process ends.
#[must_use = "dropping it ends the log"]
pub struct LogGuard {
    _writing: [Writing; 2],
}

/// Sets up logging for the process. Once.
pub fn init(settings: &LogSettings) -> Result<LogGuard, LogSetupError> {
    let (stderr, writing_stderr) = writer::start("larder-log", std::io::stderr())?;
    let (stdout, writing_stdout) = writer::start("larder-access", std::io::stdout())?;
    subscriber(settings, stderr, stdout)?.try_init()?;
    Ok(LogGuard { _writing: [writing_stderr, writing_stdout] })
}

fn subscriber(
    settings: &LogSettings,
    own: Lines,
    access: Lines,
) -> Result<impl SubscriberInitExt + tracing::Subscriber + Send + Sync, LogSetupError> {
    let LogSettings { filter, format, color } = settings;
    let own = in_format(*format, *color, own).with_filter(filter_fn(|event| !is_access(event)));
    let json = in_format(Format::Json, false, access.clone());
    let text = in_format(Format::Text, false, access);
    Ok(tracing_subscriber::registry()
        .with(parse_filter(filter)?)
        .with(own)
        .with(json.with_filter(filter_fn(|event| event.target() == JSON_TARGET)))
        .with(text.with_filter(filter_fn(|event| event.target() == TEXT_TARGET))))
}

fn is_access(event: &Metadata<'_>) -> bool {
    matches!(event.target(), JSON_TARGET | TEXT_TARGET)
}

fn in_format<S>(format: Format, color: bool, lines: Lines) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let layer = fmt::layer().with_writer(lines);
    match format {
        Format::Text => layer.with_ansi(color).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
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
    use crate::engine::Outcome;
    use crate::observe::{AccessLog, AccessLogSettings, AccessRecord};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    fn settings(env: &[(&str, &str)], terminal: bool) -> Result<LogSettings, String> {
        let look =
            |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        LogSettings::from_env(&look, terminal).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults() {
        let want = LogSettings { filter: DEFAULT_FILTER.into(), format: Format::Text, color: true };
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
    }

    #[test]
    fn filters_that_are_fine() {
        for filter in
            ["info", "WARN", "larder", "larder::engine=debug", "off,larder::access=info", "debug,h2=off"]
        {
            assert!(settings(&[("LARDER_LOG", filter)], false).is_ok(), "{filter}");
        }
    }

    /// What is written to standard error and to standard output.
    fn written(env: &[(&str, &str)], log: impl FnOnce()) -> (String, String) {
        let (own, own_kept) = kept();
        let (access, access_kept) = kept();
        {
            let (own, _own) = writer::start("own", own).unwrap();
            let (access, _access) = writer::start("access", access).unwrap();
            let subscriber = subscriber(&settings(env, false).unwrap(), own, access).unwrap();
            tracing::subscriber::with_default(subscriber, log);
        }
        let text = |kept: &Mutex<Vec<u8>>| String::from_utf8(kept.lock().unwrap().clone()).unwrap();
        (text(&own_kept), text(&access_kept))
    }

    fn kept() -> (Keeper, Arc<Mutex<Vec<u8>>>) {
        let kept = Arc::default();
        (Keeper(Arc::clone(&kept)), kept)
    }

    struct Keeper(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Keeper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn access(format: Format) {
        let log = AccessLog::new(&AccessLogSettings { format, ..AccessLogSettings::default() });
        if !log.wants(Outcome::Miss) {
            return;
        }
        log.write(&AccessRecord {
            route: "product",
            method: "GET",
            authority: "shop.example",
            path: "/a\u{1b}[31m\"\n",
            client: Some([192, 0, 2, 7].into()),
            status: 200,
            outcome: Outcome::Miss,
            cache_status: "larder; fwd=uri-miss; stored",
            bytes: 12,
            elapsed: Duration::from_micros(1500),
        });
    }

    #[test]
    fn requests_go_to_standard_output() {
        let (own, text) = written(&[], || {
            tracing::info!("serving");
            access(Format::Json);
        });
        assert!(own.contains("serving") && !own.contains("shop.example"), "{own}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["target"], "larder::access");
        assert_eq!(line["client"], "192.0.2.7");
        assert_eq!(line["path"], "/a\u{1b}[31m\"\n");
        assert_eq!(line["outcome"], "miss");
        assert_eq!(line["cache_status"], "larder; fwd=uri-miss; stored");
        assert_eq!((&line["status"], &line["bytes"], &line["ms"]), (&200.into(), &12.into(), &1.5.into()));
    }

    #[test]
    fn what_a_client_sent_forges_no_line() {
        let (own, text) = written(&[], || access(Format::Text));
        assert_eq!((own.as_str(), text.lines().count()), ("", 1));
        assert!(!text.contains('\u{1b}') && text.contains(r#"\u{1b}[31m\"\n"#), "{text:?}");
    }

    #[test]
    fn one_filter_silences_both_forms() {
        let (own, text) = written(&[("LARDER_LOG", "info,larder::access=off")], || {
            access(Format::Json);
            access(Format::Text);
            tracing::info!("serving");
        });
        assert!(own.contains("serving"));
        assert_eq!(text, "");
    }

    #[test]
    fn json_is_an_object_a_line() {
        let (own, _) =
            written(&[("LARDER_LOG_FORMAT", "json")], || tracing::warn!(address = "a:1", "two\nlines"));
        let line: serde_json::Value = serde_json::from_str(own.trim_end()).unwrap();
        assert_eq!((&line["message"], &line["address"]), (&"two\nlines".into(), &"a:1".into()));
    }
}
