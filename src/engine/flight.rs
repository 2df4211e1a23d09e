//! A fill under way, and those who read it as it arrives.
//!
//! The fill writes, every client reads. A reader that leaves or reads slowly harms nobody: as long as the reply may
//! be stored, all of it is kept and readers come after at their own pace; once it turns out not to be (too large, not
//! storable), only a window is kept, the fill waits for the slowest reader, and one that stalls all others is cut.

use super::arrival::Arrival;
use super::sink::SendError;
use crate::invalidation::{Bearings, Fence};
use crate::origin::FetchError;
use crate::store::{Entry, gather};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes a reply that is not stored may be ahead of its slowest reader: enough to keep a fast link busy, little
/// enough that thousands of such replies fit into memory.
const WINDOW: usize = 256 * 1024;

/// How long the slowest of several readers may hold up the others before it is cut.
const STALL: Duration = Duration::from_secs(10);

/// How a flight answers those who wait for its head.
#[derive(Clone, Debug)]
pub(super) enum Landing {
    /// A reply that may be shared by all whom it fits.
    Shared(Arc<Arrival>),
    /// A reply for the request that started the flight; everybody else goes alone.
    Exclusive(Arc<Arrival>),
    /// The origin confirmed a stored reply; with the request fields that its key depends on besides those of the rule.
    Confirmed(Arc<Entry>, Arc<[HeaderName]>),
    /// Another node had brought it; with the same.
    Stored(Arc<Entry>, Arc<[HeaderName]>),
    /// The reply is of no use to anybody here: all go alone.
    Declined,
    /// No reply.
    Failed(FillFailure),
}

/// Why a fill brought no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FillFailure {
    /// The origin could not be asked, or did not answer.
    Fetch(FetchError),
    /// It answered with a server error, and there was a stale reply to be preferred (RFC 5861, 4).
    ServerError(StatusCode),
    /// The fill was stopped before it knew.
    Aborted,
}

impl FillFailure {
    /// The word for metrics and logs.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.as_str(),
            Self::ServerError(_) => "server_error",
            Self::Aborted => "aborted",
        }
    }
}

/// A fill under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// Matchers that the request alone tells: enough to see that a later request must not join.
    bearings: Bearings,
    /// The fields of the request that started it, as the client sent them: they select the variant.
    asked: HeaderMap,
    state: Mutex<State>,
    /// Rung for readers: the head or a piece arrived, the reply ended, somebody was cut.
    arrived: Notify,
    /// Rung for the fill: a reader moved on or left.
    consumed: Notify,
}

#[derive(Debug, Default)]
struct State {
    fence: Option<Fence>,
    landing: Option<Landing>,
    pieces: VecDeque<Bytes>,
    /// The last piece, until the reply ends: nobody has all of it before it is stored.
    last: Option<Bytes>,
    /// Number of the first piece kept.
    first: usize,
    kept: usize,
    windowed: bool,
    end: Option<End>,
    /// Number of the next piece of each reader.
    readers: HashMap<u32, usize>,
    next_reader: u32,
    /// Whether anybody may still come to read from the start.
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

impl State {
    fn end_piece(&self) -> usize {
        self.first + self.pieces.len()
    }

    fn add(&mut self, piece: Bytes) {
        self.kept += piece.len();
        self.pieces.push_back(piece);
    }

    fn release_last(&mut self) {
        if let Some(last) = self.last.take() {
            self.add(last);
        }
    }

    fn drop_consumed(&mut self) {
        let Some(slowest) = self.readers.values().copied().min() else { return };
        while self.first < slowest {
            let Some(piece) = self.pieces.pop_front() else { return };
            self.kept -= piece.len();
            self.first += 1;
        }
    }
}

impl Flight {
    pub(super) fn new(bearings: Bearings, asked: HeaderMap) -> Arc<Self> {
        Arc::new(Self {
            bearings,
            asked,
            state: Mutex::default(),
            arrived: Notify::new(),
            consumed: Notify::new(),
        })
    }

    pub(super) fn bearings(&self) -> &Bearings {
        &self.bearings
    }

    pub(super) fn asked(&self) -> &HeaderMap {
        &self.asked
    }

    /// The fence, once the origin is being asked.
    pub(super) fn fence(&self) -> Option<Fence> {
        self.lock().fence
    }

    /// Notes the fence, before the origin is asked.
    pub(super) fn set_fence(&self, fence: Fence) {
        self.lock().fence = Some(fence);
    }

    /// Answers those who wait. The first answer stands.
    pub(super) fn land(&self, landing: Landing) {
        let mut state = self.lock();
        if state.landing.is_none() {
            state.windowed = matches!(landing, Landing::Exclusive(_));
            state.landing = Some(landing);
        }
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Whether it has answered.
    pub(super) fn landed(&self) -> bool {
        self.lock().landing.is_some()
    }

    /// Adds a piece that everybody can read at leisure.
    pub(super) fn push(&self, piece: Bytes) {
        let mut state = self.lock();
        state.release_last();
        state.add(piece);
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Adds the last piece, which readers get when the reply ends.
    pub(super) fn push_last(&self, piece: Bytes) {
        let mut state = self.lock();
        debug_assert!(state.last.is_none(), "there is one last piece");
        state.last = Some(piece);
    }

    /// From here on only a window is kept: nobody can join any more, and pushes have to wait for
    /// [`room`](Self::room).
    pub(super) fn narrow(&self) {
        let mut state = self.lock();
        state.windowed = true;
        state.closed = true;
        state.drop_consumed();
    }

    /// Waits until the window has room. `false`: nobody reads any more.
    pub(super) async fn room(&self) -> bool {
        loop {
            let moved = self.consumed.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            {
                let state = self.lock();
                if state.readers.is_empty() {
                    return false;
                }
                if state.kept < WINDOW {
                    return true;
                }
            }
            if tokio::time::timeout(STALL, moved).await.is_err() {
                self.cut_slowest();
            }
        }
    }

    /// Cuts the readers that hold up others. A single reader holds up nobody but itself: its sink has a deadline.
    fn cut_slowest(&self) {
        let mut state = self.lock();
        let Some(slowest) = state.readers.values().copied().min() else { return };
        if state.kept < WINDOW || state.readers.values().all(|next| *next == slowest) {
            return;
        }
        state.readers.retain(|_, next| *next > slowest);
        state.drop_consumed();
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Ends the reply.
    pub(super) fn end(&self, whole: bool) {
        let mut state = self.lock();
        state.release_last();
        state.end.get_or_insert(if whole { End::Whole } else { End::Broken });
        drop(state);
        self.arrived.notify_waiters();
    }

    /// The whole body in one allocation, for storing. Readers go on with parts of it, so that it is held once.
    pub(super) fn gathered(&self) -> Bytes {
        let pieces: Vec<Bytes> = {
            let state = self.lock();
            state.pieces.iter().chain(&state.last).cloned().collect()
        };
        let body = gather(&pieces);
        let mut state = self.lock();
        let State { pieces, last, .. } = &mut *state;
        let mut start = 0;
        for piece in pieces.iter_mut().chain(last) {
            let end = start + piece.len();
            *piece = body.slice(start..end);
            start = end;
        }
        drop(state);
        body
    }

    /// Joins as a reader from the first byte on; `None` when that is gone.
    pub(super) fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        if state.closed || state.first > 0 {
            return None;
        }
        let id = state.next_reader;
        state.next_reader += 1;
        state.readers.insert(id, 0);
        drop(state);
        Some(Reader { flight: Arc::clone(self), id })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who reads a flight. Dropping it leaves the flight.
#[derive(Debug)]
pub(super) struct Reader {
    flight: Arc<Flight>,
    id: u32,
}

impl Reader {
    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }

    /// Waits for the head.
    pub(super) async fn landing(&self) -> Landing {
        loop {
            let rung = self.flight.arrived.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Some(landing) = &self.flight.lock().landing {
                return landing.clone();
            }
            rung.await;
        }
    }

    /// The next piece; `None` at the end of a whole reply.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, SendError> {
        loop {
            let rung = self.flight.arrived.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Some(step) = self.take() {
                return step;
            }
            rung.await;
        }
    }

    fn take(&self) -> Option<Result<Option<Bytes>, SendError>> {
        let mut state = self.flight.lock();
        let Some(next) = state.readers.get(&self.id).copied() else {
            return Some(Err(SendError::ClientGone));
        };
        if next < state.end_piece() {
            let piece = state.pieces[next - state.first].clone();
            state.readers.insert(self.id, next + 1);
            if state.windowed {
                state.drop_consumed();
                drop(state);
                self.flight.consumed.notify_one();
            }
            return Some(Ok(Some(piece)));
        }
        match state.end? {
            End::Whole => Some(Ok(None)),
            End::Broken => Some(Err(SendError::Truncated)),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.flight.lock();
        state.readers.remove(&self.id);
        if state.windowed {
            state.drop_consumed();
        }
        drop(state);
        self.flight.consumed.notify_one();
    }
}
