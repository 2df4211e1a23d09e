//! What is the same for every API: how its failures are told, that a call can be repeated, and that no secret is told.

use super::{Api, Fault, SECRET, Subject, cdn, hard, provider, url};
use crate::support::{DEADLINE, Gate, Reply, Seen, all};
use larder::cdn::providers::{azure, bunny, cloudflare, fastly, google, http, make};
use larder::cdn::{Call, CallError, Provider, ProviderSettings, Target};
use std::sync::Arc;
use std::time::Duration;

const EACH: [&Subject; 6] = [
    &super::fastly::SUBJECT,
    &super::cloudflare::SUBJECT,
    &super::google::SUBJECT,
    &super::azure::SUBJECT,
    &super::bunny::SUBJECT,
    &super::http::SUBJECT,
];

fn one() -> Call {
    hard(vec![url("/a")])
}

/// A provider that has its token, if its API wants one that is given out.
async fn ready(subject: &Subject, api: &Api, timeout: Duration) -> Arc<dyn Provider> {
    let provider = make(&cdn((subject.settings)(&api.url(), SECRET), timeout)).unwrap();
    api.check(provider.send(&one()).await, subject.purged);
    provider
}

#[tokio::test]
async fn failures_are_told_apart() {
    for subject in EACH {
        let api = Api::start(subject.contract, subject.done).await;
        let provider = ready(subject, &api, DEADLINE).await;
        for (reply, expected) in [
            (Reply::status(429).header("Retry-After", "7"), ("throttled", Some(7))),
            (Reply::status(429), ("throttled", None)),
            (Reply::status(500), ("server_error", None)),
            (Reply::status(502).body("<html>bad gateway</html>"), ("server_error", None)),
            (Reply::status(503).header("Retry-After", "30"), ("server_error", Some(30))),
            (Reply::status(408), ("timeout", None)),
            (Reply::status(403), ("credentials", None)),
            (Reply::status(400).body("what?"), ("refused", None)),
            (Reply::status(413), ("refused", None)),
            (Reply::status(302).header("Location", "/"), ("refused", None)),
            (Reply::raw(""), ("connect", None)),
            (Reply::raw("SSH-2.0-OpenSSH\r\n"), ("connect", None)),
            (Reply::ok("{\"success\":true}").reset_at(5), ("connect", None)),
        ] {
            let told = format!("{} {reply:?}", subject.name);
            api.fail([Fault::Answer(reply)]);
            let error = provider.send(&one()).await.unwrap_err();
            let after = match &error {
                CallError::Later { after, .. } => after.map(|after| after.as_secs()),
                CallError::Refused { .. } => None,
            };
            assert_eq!((error.as_str(), after), expected, "{told}: {error}");
            assert_eq!(api.purged(), [""; 0]);
        }
        api.check(provider.send(&one()).await, subject.purged);
    }
}

/// Where the configuration alone says where a call goes, nothing there is for an operator to mend. Where the call has a part
/// in that, it is the call that names nothing.
#[tokio::test]
async fn nothing_there_is_told_apart() {
    for subject in EACH {
        let api = Api::start(subject.contract, subject.done).await;
        let provider = ready(subject, &api, DEADLINE).await;
        for target in [url("/a"), Target::All] {
            let by_url = target != Target::All && ["fastly", "bunny"].contains(&subject.name);
            let expected = if by_url || subject.name == "http" { "refused" } else { "not_found" };
            api.fail([Fault::Answer(Reply::status(404))]);
            let error = provider.send(&hard(vec![target])).await.unwrap_err();
            assert_eq!(error.as_str(), expected, "{}: {error}", subject.name);
        }
    }
}

#[tokio::test]
async fn an_api_that_hangs_is_given_up_in_time() {
    // Long enough for the calls that are answered, and waited for by all at once.
    let patience = Duration::from_secs(8);
    let hang = EACH.map(|subject| async move {
        let api = Api::start(subject.contract, subject.done).await;
        let provider = ready(subject, &api, patience).await;
        let gate = Gate::shut();
        api.fail([Fault::Answer((subject.done)().hold_head(&gate))]);
        let error = provider.send(&one()).await.unwrap_err();
        assert_eq!(error.as_str(), "timeout", "{}: {error}", subject.name);
        gate.open();
        api.check(provider.send(&one()).await, subject.purged);
    });
    all(hang.map(tokio::spawn).into()).await;
}

#[tokio::test]
async fn an_api_that_is_gone_is_no_refusal() {
    for subject in EACH {
        let address = {
            let api = Api::start(subject.contract, subject.done).await;
            api.url()
        };
        let provider = make(&cdn((subject.settings)(&address, SECRET), DEADLINE)).unwrap();
        let error = provider.send(&one()).await.unwrap_err();
        assert_eq!(error.as_str(), "connect", "{}: {error}", subject.name);
    }
}

#[tokio::test]
async fn what_was_done_without_an_answer_is_done_again() {
    for subject in EACH {
        let api = Api::start(subject.contract, subject.done).await;
        let provider = ready(subject, &api, DEADLINE).await;
        let before = api.origin.requests().len();
        api.fail([Fault::Lost]);
        let error = provider.send(&one()).await.unwrap_err();
        assert_eq!(error.as_str(), "connect", "{}: {error}", subject.name);
        provider.send(&one()).await.unwrap();
        let twice: Vec<_> = subject.purged.iter().chain(subject.purged).copied().collect();
        assert_eq!(api.purged(), twice, "{}", subject.name);
        let same = |seen: &Seen| (seen.target.clone(), seen.body.clone());
        let requests: Vec<_> = api.origin.requests()[before..].iter().map(same).collect();
        assert_eq!(requests[0], requests[1], "{}: a repetition is the same request", subject.name);
    }
}

#[tokio::test]
async fn the_page_of_something_in_between_is_no_success() {
    // What an API by template says when it is done, nobody knows.
    for subject in EACH.into_iter().filter(|subject| subject.name != "http") {
        let api = Api::start(subject.contract, subject.done).await;
        let provider = ready(subject, &api, DEADLINE).await;
        let page = Reply::ok("<!doctype html>\n<h1>Welcome, guest</h1>").header("Content-Type", "text/html");
        api.fail([Fault::Answer(page)]);
        let error = provider.send(&one()).await.unwrap_err();
        assert_eq!(error.as_str(), "server_error", "{}: {error}", subject.name);
        api.check(provider.send(&one()).await, subject.purged);
    }
}

#[tokio::test]
async fn wrong_credentials_wait_for_whoever_mends_them() {
    for subject in EACH {
        let api = Api::start(subject.contract, subject.done).await;
        let wrong = provider((subject.settings)(&api.url(), "another-secret-that-is-wrong"));
        let error = wrong.send(&one()).await.unwrap_err();
        assert_eq!(error.as_str(), "credentials", "{}: {error}", subject.name);
        assert!(!format!("{error:?}").contains("another-secret"), "{}: {error:?}", subject.name);
    }
}

/// An API that repeats everything it was asked: fields, body, and whatever token it gave out.
fn parrot(seen: &Seen) -> Reply {
    let body = String::from_utf8_lossy(&seen.body);
    Reply::status(400).body(format!("{:?} {body} {}", seen.fields, seen.target))
}

#[tokio::test]
async fn secrets_are_told_nobody() {
    for subject in EACH {
        let api = Api::start(subject.contract, subject.done).await;
        let provider = ready(subject, &api, DEADLINE).await;
        api.fail((0..3).map(|_| Fault::Answer(Reply::status(400))));
        let _ = provider.send(&one()).await;
        // What was asked is known only when it comes.
        let asked = api.origin.requests().pop().unwrap();
        assert!(
            format!("{asked:?}").to_lowercase().contains("bearer") || format!("{asked:?}").contains(SECRET),
            "{asked:?}"
        );
        api.state.faults.lock().unwrap().clear();
        api.fail([Fault::Answer(parrot(&asked))]);
        let error = provider.send(&one()).await.unwrap_err();
        let settings = (subject.settings)(&api.url(), SECRET);
        let shown = format!("{error} {error:?} {}", shown(&settings));
        for secret in [SECRET, "eyJ0-token-of-azure"] {
            // The tests of Google ask for their token by its name.
            let shown = shown.replace(&format!("/machine/{SECRET}"), "");
            assert!(!shown.contains(secret), "{}: {shown}", subject.name);
        }
    }
}

/// All that a provider and its settings show of themselves.
fn shown(settings: &ProviderSettings) -> String {
    let time = DEADLINE;
    let provider = match settings {
        ProviderSettings::Fastly(one) => format!("{:?}", fastly::Fastly::new(one, time).unwrap()),
        ProviderSettings::Cloudflare(one) => format!("{:?}", cloudflare::Cloudflare::new(one, time).unwrap()),
        ProviderSettings::Google(one) => format!("{:?}", google::Google::new(one, time).unwrap()),
        ProviderSettings::Azure(one) => format!("{:?}", azure::Azure::new(one, time).unwrap()),
        ProviderSettings::Bunny(one) => format!("{:?}", bunny::Bunny::new(one, time).unwrap()),
        ProviderSettings::Http(one) => format!("{:?}", http::Http::new(one, time).unwrap()),
        other => unreachable!("{other:?} is tested elsewhere"),
    };
    format!("{provider} {settings:?}")
}

#[test]
fn a_secret_that_cannot_be_sent_is_named_and_not_shown() {
    // The secrets of the other two stand in no field.
    for subject in EACH.iter().filter(|subject| !["azure", "google"].contains(&subject.name)) {
        let settings = (subject.settings)("http://127.0.0.1:9", "s3cr3t\nwith a line");
        let error = make(&cdn(settings, DEADLINE)).err().expect("it cannot be sent");
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{}: {error:?}", subject.name);
    }
}
