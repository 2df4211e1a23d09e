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
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nothing was sent: the breaker is open.
    Unsent,
    /// The command was sent, and may have been done.
    Doubtful,
    /// The server refused it; it was not done.
    Refused,
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

    /// Whether Redis is not asked at all.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.state() == BreakerState::Open
    }

    /// Sends one command.
    pub(super) async fn command(&self, op: Op, limit: Duration, command: &Cmd) -> Result<Value, Unanswered> {
        let pass = self.pass().ok_or(Unanswered::Unsent)?;
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
        let pass = self.pass().ok_or(Unanswered::Unsent)?;
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
    match error {
        LinkError::Busy => Unanswered::Unsent,
        LinkError::Reply(_) | LinkError::Elsewhere(_) => Unanswered::Refused,
        LinkError::Timeout | LinkError::Refused(_) | LinkError::Unexpected(_) => Unanswered::Doubtful,
    }
}
