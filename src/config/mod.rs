//! YAML text → settings: every fault at once, with its place and what to write instead.
//!
//! ```text
//! text ─ yaml ─▶ tree with places ─ read ─▶ raw: what a user wrote ─ resolve ─▶ Settings
//!                                    │                                 │
//!                    expand, units, values: each by itself     defaults, and what must agree
//!                                    └───────────── faults ────────────┘
//! ```
//!
//! Each step reports what it finds and goes on with the rest. `yaml` knows only syntax. `read` asks of each value what
//! it should be, so how it looks never decides its type; and it tells a key that cannot be read from one that is absent,
//! so nothing that follows from a fault is reported as another. `raw` is the list of keys. `resolve` puts the defaults
//! in and checks what one value alone cannot show.
//!
//! A value that came from the environment or from another file is never shown, whole or in part, for it may be a secret:
//! faults show the reference to it. What a text can make this module do is bounded: by its size, its depth, what aliases
//! add to it, and the faults that are kept.

mod expand;
mod fault;
mod raw;
mod read;
mod resolve;

mod settings;
mod units;
mod values;
mod yaml;

pub use crate::secret::Secret;
pub use fault::{Fault, Faults};
pub use settings::{
    AdminSettings, EventSettings, FeedSettings, ListenSettings, Settings, SharedLogSettings, TlsFiles,
};

use expand::{Sources, cause};
use fault::{Place, Report};
use read::{Context, Field, Item};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a configuration. Ten thousand routes, each with everything set, take about half of it.
const MAX_FILE: u64 = 16 << 20;

/// Where the configuration is looked for by default: `proxy.yaml` in the working directory, else in `/etc/larder`.
pub fn default_path() -> PathBuf {
    let here = PathBuf::from("proxy.yaml");
    if here.exists() { here } else { PathBuf::from("/etc/larder/proxy.yaml") }
}

/// Reads the configuration in the file `path`. `env` looks up what `${NAME}` stands for.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Faults> {
    let file = path.display().to_string();
    match read_bounded(path) {
        Ok(text) => parse(&text, &file, env),
        Err((place, problem, remedy)) => {
            let report = Report::new(&file);
            report.fault(&place, problem, remedy);
            Err(report.finish().expect("a fault was reported the line before"))
        }
    }
}

/// Reads the configuration `text`, which stands in `file`: that name begins every fault, and its folder is where
/// relative paths in the text start. `env` looks up what `${NAME}` stands for.
///
/// Certificates, keys and the files of `${file:…}` are read as well, to be checked; the network is not used.
///
/// ```
/// let settings = larder::config::parse("origin: http://127.0.0.1:3000", "proxy.yaml", &|_| None)?;
/// assert_eq!(settings.listen[0].address.port(), 8080);
///
/// let faults = larder::config::parse("orgin: http://127.0.0.1:3000", "proxy.yaml", &|_| None).unwrap_err();
/// let first = faults.iter().next().expect("at least one").to_string();
/// assert_eq!(first, "proxy.yaml:1:1: orgin: `orgin` is not a known key; did you mean `origin`?");
/// # Ok::<(), larder::config::Faults>(())
/// ```
pub fn parse(text: &str, file: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Faults> {
    let report = Report::new(file);
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let settings = settings(text, folder, env, &report);
    match (report.finish(), settings) {
        (Some(faults), _) => Err(faults),
        (None, Some(settings)) => Ok(settings),
        (None, None) => unreachable!("whatever keeps a file from being read is reported"),
    }
}

/// What `text` asks for; worth nothing if `report` holds a fault afterwards.
fn settings(
    text: &str,
    folder: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    report: &Report,
) -> Option<Settings> {
    let root = yaml::parse(text, report)?;
    let context = Context { report, sources: Sources { env, folder } };
    match Item::root(&root, &context).read::<raw::File>() {
        Field::Set(file) => Some(resolve::resolve(&file, report, folder)),
        Field::Absent | Field::Faulty => None,
    }
}

fn read_bounded(path: &Path) -> Result<String, (Place, String, &'static str)> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => {
                "write `origin: http://127.0.0.1:3000` to it, or name another with `-c FILE`"
            }
            io::ErrorKind::PermissionDenied => "let the user that runs Larder read it",
            _ => "name a file with `-c FILE`",
        };
        return Err((Place::file(), format!("cannot be read: {}", cause(&error)), remedy));
    }
    if bytes.len() as u64 > MAX_FILE {
        let problem = format!("is larger than {} MiB", MAX_FILE >> 20);
        return Err((Place::file(), problem, "name a configuration with `-c FILE`"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let place = Place {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
            ..Place::file()
        };
        (place, "is not UTF-8".to_owned(), "save it as UTF-8")
    })
}
