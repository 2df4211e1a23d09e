//! Whether to try again, and where. Pure.

use super::fault::Kind;
use http::Method;

/// What to do after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same server once more, on a connection that is certainly new.
    Fresh,
    /// Another server.
    Another,
    /// Nothing: the failure is the answer.
    GiveUp,
}

/// What a request may still cost.
#[derive(Debug)]
pub(super) struct Budget {
    idempotent: bool,
    /// The one try that costs no retry: a dead connection in the pool says nothing of the server.
    fresh: bool,
    retries: usize,
}

impl Budget {
    /// For a request with `method`, and with `retries` further tries.
    pub(super) fn new(method: &Method, retries: usize) -> Self {
        // `is_idempotent` is RFC 9110, 9.2.2.
        Self { idempotent: method.is_idempotent(), fresh: true, retries }
    }

    /// What to do now that an attempt failed, and takes it off the budget.
    pub(super) fn next(&mut self, failed: Kind) -> Next {
        match failed {
            Kind::Unprocessed | Kind::Downgrade => self.fresh(),
            Kind::Stale if self.idempotent => self.fresh(),
            Kind::Unreachable => self.another(),
            Kind::Died if self.idempotent => self.another(),
            // A slow origin gets no second request for the first, and a malformed reply is a reply.
            Kind::Stale | Kind::Died | Kind::Slow | Kind::Malformed => Next::GiveUp,
        }
    }

    fn fresh(&mut self) -> Next {
        if std::mem::take(&mut self.fresh) { Next::Fresh } else { Next::GiveUp }
    }

    fn another(&mut self) -> Next {
        match self.retries.checked_sub(1) {
            Some(left) => {
                self.retries = left;
                Next::Another
            }
            None => Next::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_decides() {
        let check = |method, retries, failed: &[Kind], expected: &[Next]| {
            let mut budget = Budget::new(&method, retries);
            let found: Vec<Next> = failed.iter().map(|&kind| budget.next(kind)).collect();
            assert_eq!(found, expected, "{method} {failed:?}");
        };
        use Kind::{Died, Downgrade, Malformed, Slow, Stale, Unprocessed, Unreachable};
        use Next::{Another, Fresh, GiveUp};
        check(Method::GET, 0, &[Stale, Stale], &[Fresh, GiveUp]);
        check(Method::GET, 0, &[Unreachable], &[GiveUp]);
        check(Method::GET, 2, &[Unreachable, Died, Unreachable], &[Another, Another, GiveUp]);
        check(Method::GET, 1, &[Stale, Unreachable, Stale], &[Fresh, Another, GiveUp]);
        check(Method::GET, 1, &[Unprocessed, Unprocessed], &[Fresh, GiveUp]);
        check(Method::GET, 1, &[Downgrade, Stale], &[Fresh, GiveUp]);
        check(Method::GET, 1, &[Slow], &[GiveUp]);
        check(Method::GET, 1, &[Malformed], &[GiveUp]);
        check(Method::POST, 1, &[Stale], &[GiveUp]);
        check(Method::POST, 1, &[Died], &[GiveUp]);
        check(Method::POST, 1, &[Unreachable], &[Another]);
        check(Method::POST, 1, &[Unprocessed], &[Fresh]);
    }
}
