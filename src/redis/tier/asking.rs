//! Asking Redis through the circuit breaker.

use super::super::{Breaker, BreakerState, Link, LinkError, Op, Pass, Script, Verdict};
use crate::time::{Clock, Timestamp};
use redis::{Cmd, Value};
use std::sync::Arc;
use std::time::Duration;

/// The link, behind the breaker that learns from it.
#[derive(Clone)]
pub(super) struct Asking {
    pub(super) link: Arc<Link>,
    breaker: Arc<Breaker>,
    clock: Arc<dyn Clock>,
}

/// Why there is no answer to work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It was not done, and nothing is known: it was not sent, or the server serves something else now.
    Undone,
    /// It was sent, and may have been done.
    Doubtful,
    /// The server refused it; it was not done.
    Refused,
    /// What stands under the key is of another type, and so none of ours.
    Foreign,
}

impl Asking {
    pub(super) fn new(link: Arc<Link>, breaker: Arc<Breaker>, clock: Arc<dyn Clock>) -> Self {
        Self { link, breaker, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Leave to ask, if the breaker gives it.
    pub(super) fn pass(&self) -> Option<Pass<'_>> {
        self.breaker.allow(self.now())
    }

    /// Whether Redis is as it should be, as far as is known.
    pub(super) fn is_closed(&self) -> bool {
        self.breaker.state() == BreakerState::Closed
    }

    /// Whether Redis is not asked at all.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.state() == BreakerState::Open
    }

    /// Sends one command.
    pub(super) async fn command(&self, op: Op, limit: Duration, command: &Cmd) -> Result<Value, Unanswered> {
        let pass = self.pass().ok_or(Unanswered::Undone)?;
        let answer = self.link.command::<Value>(op, limit, command).await;
        pass.settle(verdict(answer.as_ref().err()), self.now());
        answer.map_err(|error| unanswered(op, &error))
    }

    /// Runs one script for one key.
    pub(super) async fn script(
        &self,
        op: Op,
        limit: Duration,
        script: &Script,
        key: &[u8],
        args: &[&[u8]],
    ) -> Result<Value, Unanswered> {
        let pass = self.pass().ok_or(Unanswered::Undone)?;
        let answer = self.link.script::<Value>(op, limit, script, &[key], args).await;
        pass.settle(verdict(answer.as_ref().err()), self.now());
        answer.map_err(|error| unanswered(op, &error))
    }
}

/// What the breaker learns from an answer. A server that refuses something (it is full, the user may not, what stands under
/// the key is of another type) answers, and in time.
pub(super) fn verdict(error: Option<&LinkError>) -> Verdict {
    match error {
        None | Some(LinkError::Reply(_)) => Verdict::Good,
        Some(_) => Verdict::Bad,
    }
}

fn unanswered(op: Op, error: &LinkError) -> Unanswered {
    tracing::debug!(op = op.as_str(), %error, "no answer from Redis");
    unanswered_by(error)
}

fn unanswered_by(error: &LinkError) -> Unanswered {
    match error {
        LinkError::Busy | LinkError::Elsewhere(_) => Unanswered::Undone,
        LinkError::Timeout | LinkError::Refused(_) | LinkError::Unexpected(_) => Unanswered::Doubtful,
        LinkError::Reply(_) if error.code() == Some("WRONGTYPE") => Unanswered::Foreign,
        LinkError::Reply(_) => Unanswered::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::RedisError;

    #[test]
    fn errors_are_told_apart_by_what_they_leave_behind() {
        #[track_caller]
        fn check(error: &LinkError, left: Unanswered, learned: Verdict) {
            assert_eq!((unanswered_by(error), verdict(Some(error))), (left, learned), "{error}");
        }
        let said = |line: &[u8]| -> LinkError {
            let error: RedisError =
                redis::parse_redis_value(line).and_then(Value::extract_error).expect_err("it is an error");
            error.into()
        };
        assert_eq!(verdict(None), Verdict::Good);
        check(&LinkError::Timeout, Unanswered::Doubtful, Verdict::Bad);
        check(&LinkError::Refused(String::new()), Unanswered::Doubtful, Verdict::Bad);
        check(&LinkError::Busy, Unanswered::Undone, Verdict::Bad);
        check(&said(b"-LOADING it is\r\n"), Unanswered::Undone, Verdict::Bad);
        check(&said(b"-READONLY it is\r\n"), Unanswered::Undone, Verdict::Bad);
        check(&said(b"-WRONGTYPE it is\r\n"), Unanswered::Foreign, Verdict::Good);
        check(&said(b"-OOM it is full\r\n"), Unanswered::Refused, Verdict::Good);
        check(&said(b"-NOPERM you may not\r\n"), Unanswered::Refused, Verdict::Good);
    }
}
