//! Each provider against something that was not written for it, or that keeps to what the documentation of its API says.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation is told")]
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod akamai;
#[cfg(feature = "cloudfront")]
mod cloudfront;
mod contract;
mod python;
mod raw;
mod varnish;

use larder::cdn::{Call, CallError, CallId, Location, Provider, Target};
use larder::invalidation::Mode;
use raw::{Raw, Say};

/// How long a call may take where it is to be answered: long, on a slow machine.
const PATIENCE: std::time::Duration = support::DEADLINE;

fn at(path: &str) -> Location {
    Location { base: "https://shop.test".into(), path: path.into() }
}

fn call(id: u128, targets: Vec<Target>) -> Call {
    Call { id: CallId(id), kind: targets[0].kind(), mode: Mode::Hard, targets }
}

/// What an API may do to a call, and the word for it. None of it may be taken for a success, be repeated by the provider
/// itself, or bring a secret into what is told.
async fn every_failure(secret: &str, provider: impl Fn(&str) -> Box<dyn Provider>) {
    let faults = [
        (Say::reply(429, &["Retry-After: 7"], "slow down"), "throttled"),
        (Say::reply(500, &[], ""), "server_error"),
        (Say::reply(503, &[], "<html>no"), "server_error"),
        (Say::reply(401, &[], ""), "credentials"),
        (Say::reply(403, &[], "{}"), "credentials"),
        (Say::reply(404, &[], "nothing here"), "not_found"),
        (Say::reply(413, &[], ""), "refused"),
        (Say::reply(302, &["Location: http://127.0.0.1:9/"], ""), "refused"),
        (Say::reply(200, &[], "<html>welcome to the hotel</html>"), "server_error"),
        (Say::reply(200, &[], ""), "server_error"),
        (Say::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()), "connect"),
        (Say::Bytes(b"\x15\x03\x01\x00\x02\x02\x0a".to_vec()), "connect"),
        (Say::Bytes(vec![]), "connect"),
        (Say::Reset, "connect"),
    ];
    for (say, expected) in faults {
        let told = format!("{say:?}");
        let server = Raw::start(vec![say]).await;
        let error = provider(&server.url()).send(&call(7, vec![Target::Url(at("/a"))])).await.unwrap_err();
        // A reply that was cut short may count as either: the status came, the rest did not.
        let cut = told.contains("Content-Length: 100") && error.as_str() == "server_error";
        assert!(error.as_str() == expected || cut, "{told}: {error:?}");
        assert!(!format!("{error:?} {error}").contains(secret), "{told}: {error}");
        assert_eq!(server.requests().len(), 1, "{told}: sent again");
        if let CallError::Later { after, kind: "throttled", .. } = error {
            assert_eq!(after, Some(std::time::Duration::from_secs(7)));
        }
    }
}
