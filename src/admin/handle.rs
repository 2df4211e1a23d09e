//! What each resource answers.

use super::answer::Answer;
use super::events;
use super::gate::Resource;
use super::problem::{Kind, Problem};
use super::purge::PurgeRequest;
use super::{Control, RetryError};
use crate::events::{Handed, Message};
use crate::invalidation::{Invalidation, Matcher, Mode, Places};
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// An audit line names at most so many bytes of what was purged; the count tells how much there was.
const MAX_AUDITED: usize = 4096;

/// How long the other nodes are waited for: several of their heartbeats, so that whoever is not there by then is cut off; and longer
/// than a log that was just born is taken to lack some, where `blind_limit` is what it is by default.
const FLEET_DEADLINE: Duration = Duration::from_secs(8);

/// How long the CDNs are waited for: most take a purge within a second, and a client waits no longer than this for a head.
const CDN_DEADLINE: Duration = Duration::from_secs(25);

/// A request that was let in.
pub(super) struct Request<'a> {
    /// What it is for.
    pub(super) resource: Resource,
    /// Its query, without `?`.
    pub(super) query: &'a str,
    /// Its body; empty where none is read.
    pub(super) body: &'a [u8],
    /// Who sent it.
    pub(super) peer: IpAddr,
}

/// Answers a request.
pub(super) async fn handle(control: &Arc<dyn Control>, request: &Request<'_>) -> Answer {
    let result = match request.resource {
        Resource::Health => Ok(Answer::json(StatusCode::OK, &json!({ "status": "ok" }))),
        Resource::Readiness => Ok(readiness(&**control)),
        Resource::Metrics => metrics(control).await,
        Resource::Stats => Ok(Answer::json(StatusCode::OK, &control.stats())),
        Resource::Purge => purge(&**control, request).await,
        Resource::CdnRetry => retry(&**control, request).await,
        Resource::Event => event(&**control, request).await,
        Resource::Reload => reload(&**control, request.peer).await,
    };
    result.unwrap_or_else(Answer::from)
}

fn readiness(control: &dyn Control) -> Answer {
    let readiness = control.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Answer::json(status, &readiness)
}

/// A scrape of thousands of routes takes milliseconds, in which this runtime would answer nobody else.
async fn metrics(control: &Arc<dyn Control>) -> Result<Answer, Problem> {
    let control = Arc::clone(control);
    let text = tokio::task::spawn_blocking(move || control.metrics_text()).await;
    text.map(Answer::metrics).map_err(|error| Problem::new(Kind::Internal, error.to_string()))
}

async fn purge(control: &dyn Control, request: &Request<'_>) -> Result<Answer, Problem> {
    let wait = wait_of(request.query)?;
    let batch = PurgeRequest::parse(request.body)?.resolve(control)?;
    let (count, what, soft) =
        (batch.len(), describe(&batch), batch.iter().any(|item| item.mode == Mode::Soft));
    let peer = request.peer;
    match control.purge(batch, wait != Wait::Node).await {
        Ok(places) => {
            let position = places.last();
            tracing::info!(target: "larder::audit", %peer, %position, soft, count, what, "purged");
            Ok(taken(control, wait, &places, Map::new()).await)
        }
        Err(error) => {
            tracing::warn!(target: "larder::audit", %peer, soft, count, what, %error, "not purged everywhere");
            let outstanding = json!({ "log": error.to_string() });
            Ok(Answer::json(StatusCode::ACCEPTED, &json!({ "position": null, "outstanding": outstanding })))
        }
    }
}

/// Takes an event. What a part of it purged stands, also where the answer is that another part could not be.
async fn event(control: &dyn Control, request: &Request<'_>) -> Result<Answer, Problem> {
    let wait = wait_of(request.query)?;
    let handed = control.event(Message::Json(request.body.to_vec()), wait != Wait::Node).await;
    let Handed { purges, places, faults } = handed.map_err(|refusal| events::problem(&refusal))?;
    let peer = request.peer;
    if !faults.is_empty() {
        tracing::warn!(target: "larder::audit", %peer, purges, ?faults, "an event is incomplete");
        return Err(events::incomplete(purges, faults));
    }
    match places {
        Ok(places) => {
            let position = places.last();
            tracing::debug!(target: "larder::audit", %peer, %position, purges, "an event purged");
            let said = Map::from_iter([("purged".to_owned(), purges.into())]);
            Ok(taken(control, wait, &places, said).await)
        }
        Err(error) => {
            tracing::warn!(target: "larder::audit", %peer, purges, %error, "not purged everywhere");
            let outstanding = json!({ "log": error.to_string() });
            let said = json!({ "position": null, "purged": purges, "outstanding": outstanding });
            Ok(Answer::json(StatusCode::ACCEPTED, &said))
        }
    }
}

/// What is said of purges that the log took, once all was waited for that is to be; beside what is `said` already.
async fn taken(control: &dyn Control, wait: Wait, places: &Places, mut said: Map<String, Value>) -> Answer {
    let place = places.last();
    said.insert("position".to_owned(), place.to_string().into());
    if wait == Wait::Node {
        return Answer::json(StatusCode::ACCEPTED, &said);
    }
    let behind = control.spread(place, FLEET_DEADLINE).await;
    let cdns = match wait {
        Wait::Cdn => control.delivered(places, CDN_DEADLINE).await,
        Wait::Node | Wait::Fleet => Vec::new(),
    };
    let done = behind.is_empty() && cdns.is_empty();
    let outstanding = match wait {
        Wait::Cdn => json!({ "nodes": behind, "cdns": cdns }),
        Wait::Node | Wait::Fleet => json!({ "nodes": behind }),
    };
    said.insert("outstanding".to_owned(), outstanding);
    Answer::json(if done { StatusCode::OK } else { StatusCode::ACCEPTED }, &said)
}

/// What a purge is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// This node: it is done when the log has taken the purge.
    Node,
    /// All nodes that live.
    Fleet,
    /// All nodes that live, then all CDNs in front.
    Cdn,
}

fn wait_of(query: &str) -> Result<Wait, Problem> {
    let refuse = |detail: String| Err(Problem::new(Kind::InvalidQuery, detail));
    let mut wait = Wait::Node;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=').unwrap_or((parameter, "")) {
            ("wait", "node") => wait = Wait::Node,
            ("wait", "fleet") => wait = Wait::Fleet,
            ("wait", "cdn") => wait = Wait::Cdn,
            ("wait", other) => {
                let other = other.escape_debug();
                let known = "write `wait=node`, `wait=fleet` or `wait=cdn`";
                return refuse(format!("`wait={other}` is not known; {known}"));
            }
            (name, _) => {
                return refuse(format!("`{}` is not known; only `wait` is", name.escape_debug()));
            }
        }
    }
    Ok(wait)
}

/// Queues dead letters again: of the CDN that the query names, else of all.
async fn retry(control: &dyn Control, request: &Request<'_>) -> Result<Answer, Problem> {
    let cdn = cdn_of(request.query)?;
    let peer = request.peer;
    match control.retry_cdns(cdn).await {
        Ok(retried) => {
            tracing::info!(target: "larder::audit", %peer, ?retried, "dead letters queued again");
            Ok(Answer::json(StatusCode::OK, &json!({ "retried": retried })))
        }
        Err(error @ RetryError::Unknown(_)) => Err(Problem::new(Kind::UnknownCdn, error.to_string())),
        Err(error @ RetryError::Unavailable(_)) => {
            tracing::warn!(target: "larder::audit", %peer, %error, "dead letters not queued again");
            Err(Problem::new(Kind::QueueUnavailable, error.to_string()))
        }
    }
}

fn cdn_of(query: &str) -> Result<Option<&str>, Problem> {
    let mut cdn = None;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            // Names of CDNs have no character that a query would have to escape.
            Some(("cdn", name)) if !name.is_empty() => cdn = Some(name),
            _ => {
                let detail = format!("`{}` is not known; only `cdn=NAME` is", parameter.escape_debug());
                return Err(Problem::new(Kind::InvalidQuery, detail));
            }
        }
    }
    Ok(cdn)
}

async fn reload(control: &dyn Control, peer: IpAddr) -> Result<Answer, Problem> {
    match control.reload().await {
        Ok(reloaded) => {
            tracing::info!(target: "larder::audit", %peer, needs_restart = ?reloaded.needs_restart, "reloaded");
            Ok(Answer::json(StatusCode::OK, &reloaded))
        }
        Err(faults) => {
            tracing::warn!(target: "larder::audit", %peer, faults = faults.len(), "not reloaded");
            Err(Problem::with_errors(Kind::InvalidConfiguration, faults))
        }
    }
}

/// What a batch reaches, for the audit log.
fn describe(batch: &[Invalidation]) -> String {
    let mut text = String::new();
    for Invalidation { matcher, mode: _ } in batch {
        if text.len() > MAX_AUDITED {
            text.push_str(" …");
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        // Writing to a `String` cannot fail.
        _ = match matcher {
            Matcher::Path { authority, path } => write!(text, "url:{authority}{path}"),
            Matcher::Prefix { authority, path } => write!(text, "prefix:{authority}{path}"),
            Matcher::Tag(tag) => write!(text, "tag:{tag}"),
            Matcher::Route(route) => write!(text, "route:{route}"),
            Matcher::All => write!(text, "all"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_waited_for() {
        fn check(query: &str, want: Result<Wait, &str>) {
            let got = wait_of(query).map_err(|problem| problem.detail);
            match want {
                Ok(wait) => assert_eq!(got, Ok(wait), "{query}"),
                Err(part) => {
                    assert!(got.as_ref().is_err_and(|detail| detail.contains(part)), "{query}: {got:?}");
                }
            }
        }
        check("", Ok(Wait::Node));
        check("wait=node", Ok(Wait::Node));
        check("wait=fleet", Ok(Wait::Fleet));
        check("wait=cdn", Ok(Wait::Cdn));
        check("wait=all", Err("`wait=fleet` or `wait=cdn`"));
        check("wait=", Err("write `wait=node`"));
        check("wait", Err("write `wait=node`"));
        check("wait=node&soft=true", Err("`soft` is not known"));
    }

    #[test]
    fn audited_text_is_bounded() {
        let tag = |number: usize| Invalidation {
            matcher: Matcher::Tag(format!("tag-{number}").into()),
            mode: Mode::Hard,
        };
        assert_eq!(describe(&[tag(1), tag(2)]), "tag:tag-1 tag:tag-2");
        let many: Vec<_> = (0..10_000).map(tag).collect();
        let text = describe(&many);
        assert!(text.len() < MAX_AUDITED + 64 && text.ends_with(" …"), "{}", text.len());
    }
}
