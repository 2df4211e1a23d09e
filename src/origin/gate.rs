//! How many requests an origin is asked at once, and how many may wait.

use super::FetchError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest wait for a place. Beyond it a client is better served by a refusal it can act on.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// When a refused client may come again: about what it takes an overloaded origin to work off its queue.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets a bounded number through and keeps as many again waiting, first come, first served.
///
/// A queue as long as the origin is wide at most doubles how long a request takes; a longer one would only serve
/// clients that have given up.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    width: usize,
    waiting: AtomicUsize,
}

/// A place among the requests under way. It is free again when this is dropped.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
}

/// A place in the queue, given up when the wait ends in whatever way.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Gate {
    /// A gate for `width` requests at once; at least 1.
    pub(super) fn new(width: usize) -> Self {
        let width = width.clamp(1, Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(width)), width, waiting: AtomicUsize::new(0) }
    }

    /// Waits for a place. Cancelling it gives the place in the queue up.
    pub(super) async fn enter(&self) -> Result<Permit, FetchError> {
        let busy = FetchError::Busy { retry_after: RETRY_AFTER };
        // A place that becomes free goes to the one who waits longest, so this never overtakes the queue.
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Permit { _place: place });
        }
        let _waiting = self.queue().ok_or_else(|| busy.clone())?;
        match tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.places).acquire_owned()).await {
            Ok(place) => Ok(Permit { _place: place.expect("the semaphore is never closed") }),
            Err(_) => Err(busy),
        }
    }

    /// Requests that have a place.
    pub(super) fn in_flight(&self) -> usize {
        self.width - self.places.available_permits()
    }

    /// Requests that wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    fn queue(&self) -> Option<Waiting<'_>> {
        let more = |waiting: usize| (waiting < self.width).then_some(waiting + 1);
        self.waiting.fetch_update(Relaxed, Relaxed, more).ok().map(|_| Waiting(&self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets the tasks that were spawned run until they wait.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_as_long_as_the_gate_is_wide() {
        let gate = Arc::new(Gate::new(2));
        let first = gate.enter().await.unwrap();
        let _second = gate.enter().await.unwrap();
        assert_eq!((gate.in_flight(), gate.waiting()), (2, 0));

        let wait = |gate: &Arc<Gate>| {
            let gate = Arc::clone(gate);
            tokio::spawn(async move { gate.enter().await })
        };
        let (third, fourth) = (wait(&gate), wait(&gate));
        settle().await;
        assert_eq!((gate.in_flight(), gate.waiting()), (2, 2));
        assert_eq!(gate.enter().await.unwrap_err(), FetchError::Busy { retry_after: RETRY_AFTER });

        drop(first);
        third.await.unwrap().unwrap();
        settle().await;
        assert!(fourth.await.unwrap().is_ok());
        assert_eq!(gate.waiting(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_bounded_and_can_be_given_up() {
        let gate = Gate::new(1);
        let place = gate.enter().await.unwrap();

        let before = tokio::time::Instant::now();
        assert_eq!(gate.enter().await.unwrap_err().as_str(), "busy");
        assert_eq!(before.elapsed(), LONGEST_WAIT);

        let given_up = tokio::time::timeout(Duration::from_millis(1), gate.enter()).await;
        assert!(given_up.is_err());
        assert_eq!((gate.in_flight(), gate.waiting()), (1, 0));

        drop(place);
        assert_eq!(gate.in_flight(), 0);
        gate.enter().await.unwrap();
    }
}
