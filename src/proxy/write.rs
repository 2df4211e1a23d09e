//! A write under way, and what has to be purged for it whatever becomes of it.

use super::connection::Hold;
use crate::engine::Engine;
use crate::invalidation::{Appending, IntentId, Invalidation, Place, WritePlan};
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A reply to a write that goes on for longer than this after its head is purged for again when it ends.
///
/// The head says that the write was done, but an origin that streams what it does may still be at it. Below this, nobody can
/// have read the old state between head and end and had it stored by a fill that began after the head.
const STREAMED: Duration = Duration::from_millis(100);

/// A write on its way to the origin.
///
/// Dropped at any point, by an error, a client that left or the end of the process, it purges what may have changed: at once,
/// and again when the origin can no longer commit what it was sent.
pub(super) struct Write {
    engine: Arc<Engine>,
    /// What the write may change, as far as it can be told without a reply.
    unknown: Vec<Invalidation>,
    /// What announces that where it outlives this process.
    intent: Option<IntentId>,
    /// Set while an earlier try may have reached the origin without a reply to tell.
    in_doubt: bool,
    state: State,
}

enum State {
    /// The origin has seen nothing of it.
    Unsent,
    /// It may have.
    Sent,
    /// The head of its reply came, and this was purged. `waits`: the body is to tell more.
    Answered { plan: Vec<Invalidation>, waits: bool, at: Instant },
    /// Nothing is left to do.
    Settled,
}

/// What the head of a reply tells of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// Nothing yet: an interim reply.
    Nothing,
    /// It was done.
    Done,
    /// It was refused, so nothing changed.
    Refused,
    /// It failed, at what point is not known.
    Unknown,
}

impl Said {
    fn by(status: StatusCode) -> Self {
        match status.as_u16() {
            // 101 is the last thing that is heard of the write as HTTP, and what follows may change anything.
            101 => Self::Unknown,
            100..200 => Self::Nothing,
            200..400 => Self::Done,
            400..500 => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

impl Write {
    /// A write that was not sent yet. `unknown` is what it may change if nothing is ever heard of it.
    pub(super) fn new(engine: Arc<Engine>, unknown: Vec<Invalidation>) -> Self {
        Self { engine, unknown, intent: None, in_doubt: false, state: State::Unsent }
    }

    /// It is about to be sent, perhaps not for the first time. Announces what it may change, so that the purge is made even
    /// if this process ends before it can make it; where that cannot be done in time the write goes on without.
    pub(super) async fn send(&mut self) {
        self.in_doubt |= matches!(self.state, State::Sent);
        if self.intent.is_none() {
            self.intent = self.engine.intend(&self.unknown).await;
        }
        self.state = State::Sent;
    }

    /// More is known of what it may change: its body has been seen.
    pub(super) fn learns(&mut self, unknown: Vec<Invalidation>) {
        self.unknown = unknown;
    }

    /// Whether it waits for what the body of the reply will [tell](Write::told).
    pub(super) fn waits(&self) -> bool {
        matches!(self.state, State::Answered { waits: true, .. })
    }

    /// The head of a reply came: purges before the client learns of it. `plan` tells what the reply says was changed.
    /// Returns the position of the purge.
    pub(super) async fn answer(
        &mut self,
        status: StatusCode,
        plan: impl FnOnce() -> WritePlan,
    ) -> Option<Place> {
        match Said::by(status) {
            Said::Nothing => None,
            Said::Refused if self.in_doubt => {
                // The try that was refused may have been the second; of the first nothing is known.
                self.give_up();
                None
            }
            Said::Refused => {
                if let Some(intent) = self.intent.take() {
                    self.engine.withdraw(intent);
                }
                self.state = State::Settled;
                None
            }
            Said::Unknown => {
                let intent = self.intent.take();
                let place = self.invalidate(plan().purges, intent, true).await;
                self.give_up();
                place
            }
            Said::Done => {
                let WritePlan { purges, waits } = plan();
                // Until the body has told the rest, the announcement stands for it.
                let intent = if waits { None } else { self.intent.take() };
                let place = self.invalidate(purges.clone(), intent, self.in_doubt).await;
                if self.in_doubt {
                    // What a lost try sent may be done after this one.
                    self.engine.in_doubt(&self.unknown);
                }
                self.state = State::Answered { plan: purges, waits, at: Instant::now() };
                place
            }
        }
    }

    /// The body of the reply told what was changed; `plan` is all of it. Purges what the head could not tell: on this node when
    /// this returns, and in the log when what is returned has ended.
    pub(super) fn told(&mut self, all: Vec<Invalidation>) -> Option<Hold> {
        let State::Answered { plan, waits: waits @ true, at } = &mut self.state else { return None };
        *waits = false;
        let told: Vec<_> = all.into_iter().filter(|purge| !plan.contains(purge)).collect();
        plan.extend_from_slice(&told);
        let batch = if at.elapsed() > STREAMED {
            *at = Instant::now();
            plan.clone()
        } else {
            told
        };
        let (intent, in_doubt) = (self.intent.take(), self.in_doubt);
        if batch.is_empty() {
            if let Some(intent) = intent.filter(|_| !in_doubt) {
                self.engine.withdraw(intent);
            }
            return None;
        }
        let appending = Appending { batch, intent, in_doubt, ..Appending::default() };
        Some(self.engine.invalidate_at_once(appending))
    }

    /// The reply ended as it should.
    pub(super) async fn finish(&mut self) {
        let at_end = self.at_stake();
        if let State::Answered { waits, at, .. } = std::mem::replace(&mut self.state, State::Settled)
            && (waits || at.elapsed() > STREAMED)
        {
            // A body that never came tells nothing. It is appended in any case; nobody waits for its place any more.
            let intent = self.intent.take();
            let _place = self.invalidate(at_end, intent, self.in_doubt).await;
        }
    }

    /// The exchange failed: purges before the client learns of that, and leaves the rest to a later purge.
    pub(super) async fn fail(&mut self) {
        let batch = self.at_stake();
        if !batch.is_empty() {
            let intent = self.intent.take();
            let _place = self.invalidate(batch, intent, true).await;
        }
        self.give_up();
    }

    /// Purges, and answers the announcement. If the log does not take it in time it is appended later; the client is only not
    /// told where.
    async fn invalidate(
        &self,
        batch: Vec<Invalidation>,
        intent: Option<IntentId>,
        in_doubt: bool,
    ) -> Option<Place> {
        let appending = Appending { batch, intent, in_doubt, ..Appending::default() };
        self.engine.invalidate_as(appending).await.ok().map(|places| places.last())
    }

    /// What may have changed, as far as it is known now.
    fn at_stake(&self) -> Vec<Invalidation> {
        match &self.state {
            State::Unsent | State::Settled => Vec::new(),
            State::Sent => self.unknown.clone(),
            State::Answered { plan, waits: false, .. } => plan.clone(),
            State::Answered { plan, waits: true, .. } => {
                let rest = self.unknown.iter().filter(|purge| !plan.contains(purge));
                plan.iter().chain(rest).cloned().collect()
            }
        }
    }

    fn give_up(&mut self) {
        let batch = self.at_stake();
        self.state = State::Settled;
        if !batch.is_empty() {
            self.engine.in_doubt(&batch);
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Matcher;
    use crate::proxy::fixture;

    /// What happens to a write, in order.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Send,
        Answer(u16),
        /// As an answer whose body is to tell more.
        Promise(u16),
        Told(&'static str),
        Pause,
        Finish,
        Fail,
    }
    use Event::{Answer, Fail, Finish, Pause, Promise, Send, Told};

    fn purge(tag: &str) -> Vec<Invalidation> {
        vec![Invalidation::hard(Matcher::Tag(tag.into()))]
    }

    /// Lets `events` happen to a write, then drops it. Checks how many purges were appended, and how many wait to be.
    async fn check(events: &[Event], appended: usize, waiting: usize) {
        let engine = fixture::engine();
        let mut write = Write::new(Arc::clone(&engine), purge("unknown"));
        let mut positions = vec![engine.position()];
        for event in events {
            match *event {
                Send => write.send().await,
                Answer(status) | Promise(status) => {
                    let plan = || WritePlan { purges: purge("planned"), waits: matches!(event, Promise(_)) };
                    let position = write.answer(status.try_into().unwrap(), plan).await;
                    assert!(position.is_none_or(|place| place.position == engine.position()), "{events:?}");
                }
                Told(tag) => {
                    let all = [purge("planned"), purge(tag)].concat();
                    if let Some(appended) = write.told(all) {
                        appended.await;
                    }
                }
                Pause => tokio::time::advance(STREAMED + Duration::from_millis(1)).await,
                Finish => write.finish().await,
                Fail => write.fail().await,
            }
            positions.push(engine.position());
        }
        drop(write);
        positions.dedup();
        assert_eq!((positions.len() - 1, engine.stats().repeats), (appended, waiting), "{events:?}");
    }

    /// A purge now and one when the origin can commit no more.
    const IN_DOUBT: usize = 2;

    #[tokio::test(start_paused = true)]
    async fn what_may_have_changed_is_purged() {
        check(&[], 0, 0).await;
        check(&[Send], 0, IN_DOUBT).await;
        check(&[Send, Answer(103)], 0, IN_DOUBT).await;
        check(&[Send, Answer(200), Finish], 1, 0).await;
        check(&[Send, Answer(303), Finish], 1, 0).await;
        check(&[Send, Answer(404), Finish], 0, 0).await;
        check(&[Send, Answer(500), Finish], 1, IN_DOUBT).await;
        check(&[Send, Answer(101), Finish], 1, IN_DOUBT).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_breaks_off_leaves_doubt() {
        check(&[Send, Answer(200)], 1, IN_DOUBT).await;
        check(&[Send, Answer(404)], 0, 0).await;
        check(&[Send, Fail], 1, IN_DOUBT).await;
        check(&[Send, Answer(200), Fail], 2, IN_DOUBT).await;
        check(&[Fail], 0, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_streams_is_purged_for_at_both_ends() {
        check(&[Send, Answer(200), Pause, Finish], 2, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_body_tells_is_purged_once_and_else_is_in_doubt() {
        check(&[Send, Promise(200), Told("told"), Finish], 2, 0).await;
        check(&[Send, Promise(200), Told("planned"), Finish], 1, 0).await;
        check(&[Send, Promise(200), Told("told"), Told("again"), Finish], 2, 0).await;
        check(&[Send, Promise(200), Pause, Told("planned"), Finish], 2, 0).await;
        check(&[Send, Promise(200), Finish], 2, 0).await;
        check(&[Send, Promise(200)], 1, 2 * IN_DOUBT).await;
        check(&[Send, Promise(200), Fail], 2, 2 * IN_DOUBT).await;
        check(&[Send, Promise(200), Told("told")], 2, 2 * IN_DOUBT).await;
        check(&[Send, Promise(404), Finish], 0, 0).await;
        check(&[Send, Answer(200), Told("told"), Finish], 1, 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn of_a_try_without_a_reply_nothing_is_known() {
        check(&[Send, Send, Answer(404), Finish], 0, IN_DOUBT).await;
        check(&[Send, Send, Answer(200), Finish], 1, IN_DOUBT).await;
    }
}
