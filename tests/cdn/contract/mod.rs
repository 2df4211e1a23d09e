//! APIs that keep to their documentation: they take what it says is taken, refuse everything else as it says, and remember
//! what they purged.
#![expect(clippy::result_large_err, reason = "a refusal is a whole reply, and made a few times a test")]

mod azure;
mod bunny;
mod cloudflare;
mod failures;
mod fastly;
mod google;
mod http;

use crate::support::{DEADLINE, Origin, Reply, Seen};
use larder::cdn::providers::make;
use larder::cdn::{Call, CallError, CallId, CdnSettings, Location, Provider, ProviderSettings, Target};
use larder::invalidation::Mode;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What an API knows as its secret.
const SECRET: &str = "s3cr3t-of-an-api";

/// What an API makes of a request: what it purges, or how it refuses.
type Contract = fn(&Seen) -> Result<Vec<String>, Reply>;

/// Makes a target of a path or tag.
type Making = fn(&str) -> Target;

/// An API on a port of its own.
struct Api {
    origin: Origin,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    purged: Mutex<Vec<String>>,
    faults: Mutex<VecDeque<Fault>>,
}

/// What goes wrong with a request that would be taken.
#[derive(Clone)]
enum Fault {
    /// This is answered, and nothing done.
    Answer(Reply),
    /// It is done, and the answer lost.
    Lost,
}

impl Api {
    /// An API that answers `done` to what it took.
    async fn start(contract: Contract, done: fn() -> Reply) -> Self {
        let origin = Origin::start().await;
        let state = Arc::new(State::default());
        let seen_by = Arc::clone(&state);
        origin.otherwise(move |seen| {
            let fault = seen_by.faults.lock().unwrap().pop_front();
            if let Some(Fault::Answer(reply)) = fault {
                return reply;
            }
            match contract(seen) {
                Err(refusal) => refusal,
                Ok(purged) => {
                    seen_by.purged.lock().unwrap().extend(purged);
                    if fault.is_some() { Reply::raw("") } else { done() }
                }
            }
        });
        Self { origin, state }
    }

    fn url(&self) -> String {
        self.origin.url()
    }

    /// The next requests go wrong.
    fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// What was purged since this was last asked.
    fn purged(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.purged.lock().unwrap())
    }

    /// Whether `call` is taken, and what is purged by it.
    #[track_caller]
    fn check(&self, sent: Result<(), CallError>, expected: &[&str]) {
        sent.unwrap();
        assert_eq!(self.purged(), expected);
    }
}

/// One of the APIs as the tests of all of them need it.
struct Subject {
    name: &'static str,
    contract: Contract,
    done: fn() -> Reply,
    /// The settings for an API at an address, with a secret.
    settings: fn(&str, &str) -> ProviderSettings,
    /// What is purged by a call for the URL `/a`.
    purged: &'static [&'static str],
}

fn cdn(provider: ProviderSettings, timeout: Duration) -> CdnSettings {
    CdnSettings {
        name: "edge".into(),
        provider,
        hosts: vec![],
        public_url: None,
        gather: Duration::ZERO,
        second_purge: None,
        give_up_after: DEADLINE,
        timeout,
        rate: None,
    }
}

fn provider(settings: ProviderSettings) -> Arc<dyn Provider> {
    make(&cdn(settings, DEADLINE)).unwrap()
}

fn place(path: &str) -> Location {
    Location { base: "https://shop.example.com".into(), path: path.into() }
}

fn url(path: &str) -> Target {
    Target::Url(place(path))
}

fn prefix(path: &str) -> Target {
    Target::Prefix(place(path))
}

fn tag(tag: &str) -> Target {
    Target::Tag(tag.into())
}

fn hard(targets: Vec<Target>) -> Call {
    Call { id: CallId(0x00c0_ffee), kind: targets[0].kind(), mode: Mode::Hard, targets }
}

fn soft(targets: Vec<Target>) -> Call {
    Call { mode: Mode::Soft, ..hard(targets) }
}

/// As many targets as fit into one call, with short names.
fn full(many: usize, target: Making) -> Vec<Target> {
    (0..many).map(|index| target(&format!("/{index}"))).collect()
}

fn refusal(status: u16, body: &str) -> Reply {
    Reply::status(status).header("Content-Type", "application/json").body(body.to_owned())
}

/// The body as JSON: 415 for another type, 400 for what is none.
fn body(seen: &Seen) -> Result<Value, Reply> {
    if !seen.fields.get("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err(refusal(415, r#"{"message":"send application/json"}"#));
    }
    serde_json::from_slice(&seen.body).map_err(|error| refusal(400, &format!("{{\"message\":\"{error}\"}}")))
}

/// An object with exactly this one member, which is a list of 1 to `most` strings that each `takes`.
fn list(body: &Value, member: &str, most: usize, takes: fn(&str) -> bool) -> Result<Vec<String>, Reply> {
    let object = body.as_object().ok_or_else(|| refusal(400, "no object"))?;
    let values = object.get(member).and_then(Value::as_array).ok_or_else(|| refusal(400, "no such list"))?;
    if object.len() != 1 || !(1..=most).contains(&values.len()) {
        return Err(refusal(400, &format!("{} members, {} of {most} values", object.len(), values.len())));
    }
    let values = values.iter().map(|value| value.as_str().filter(|value| takes(value)).map(str::to_owned));
    values.collect::<Option<_>>().ok_or_else(|| refusal(400, "a value is not taken"))
}

/// The values of a query or of a form, decoded once.
fn form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        let escaped =
            behind.get(..2).filter(|_| *first == b'%').map(|digits| std::str::from_utf8(digits).unwrap());
        match escaped {
            Some(digits) => {
                out.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &behind[2..];
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(out).unwrap()
}

/// Path and query of a request.
fn parts(seen: &Seen) -> (&str, Vec<(String, String)>) {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    (path, form(query))
}
