//! The flights of a process: one a key.

use super::flight::{FillFailure, Flight, Landing, Reader};
use crate::invalidation::{Bearings, Ledger, Position, Verdict};
use crate::key::KeyHash;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shards of the map: a power of two well above the number of cores, so that they seldom meet.
const SHARDS: usize = 64;

/// What requests wait for together: a key, apart for requests with credentials, whose replies are judged otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) hash: KeyHash,
    pub(super) credentials: bool,
}

/// All flights under way.
#[derive(Debug)]
pub(super) struct Flights {
    shards: Vec<Mutex<HashMap<FlightKey, Arc<Flight>>>>,
}

/// A place in a flight.
#[derive(Debug)]
pub(super) enum Seat {
    /// The flight was there; or it is new, and the caller has to fill it.
    Joined(Reader),
    /// The flight is new, and the caller has to fill it.
    Started(Reader, Ticket),
}

/// The duty to fill a flight. Dropped before the flight landed or ended, it fails the flight, so that nobody waits
/// for a fill that was cancelled or panicked; dropped at any time, it takes the flight off the map.
#[derive(Debug)]
pub(super) struct Ticket {
    flights: Arc<Flights>,
    key: FlightKey,
    flight: Arc<Flight>,
}

impl Flights {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() })
    }

    /// Joins the flight of `key`, or starts one. A flight that a request of `position` must not be answered from
    /// (what it reads was invalidated before, as far as can be told without its head) is left to those who are on it,
    /// and so is `avoid`.
    pub(super) fn join(
        self: &Arc<Self>,
        key: FlightKey,
        ledger: &Ledger,
        position: Position,
        avoid: Option<&Arc<Flight>>,
        bearings: impl FnOnce() -> Bearings,
    ) -> Seat {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(&key)
            && !avoid.is_some_and(|avoided| Arc::ptr_eq(avoided, flight))
            && reaches(flight, ledger, position)
            && let Some(reader) = flight.reader()
        {
            return Seat::Joined(reader);
        }
        let (reader, ticket) = self.launch(key, bearings());
        shard.insert(key, Arc::clone(&ticket.flight));
        Seat::Started(reader, ticket)
    }

    /// Starts a flight for a refresh that nobody waits for, unless one is under way.
    pub(super) fn refresh(
        self: &Arc<Self>,
        key: FlightKey,
        bearings: impl FnOnce() -> Bearings,
    ) -> Option<Ticket> {
        let mut shard = self.shard(key);
        match shard.entry(key) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                let flight = Flight::new(bearings());
                vacant.insert(Arc::clone(&flight));
                Some(Ticket { flights: Arc::clone(self), key, flight })
            }
        }
    }

    /// Starts a flight that nobody else can join.
    pub(super) fn alone(self: &Arc<Self>, key: FlightKey, bearings: Bearings) -> Seat {
        let (reader, ticket) = self.launch(key, bearings);
        Seat::Started(reader, ticket)
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn launch(self: &Arc<Self>, key: FlightKey, bearings: Bearings) -> (Reader, Ticket) {
        let flight = Flight::new(bearings);
        let reader = flight.reader().expect("a new flight has its first byte");
        (reader, Ticket { flights: Arc::clone(self), key, flight })
    }

    fn shard(&self, key: FlightKey) -> MutexGuard<'_, HashMap<FlightKey, Arc<Flight>>> {
        let index = key.hash.prefix() as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request that came at `position` may be answered from `flight`, as far as its URL tells.
fn reaches(flight: &Flight, ledger: &Ledger, position: Position) -> bool {
    match flight.fence() {
        None => true,
        Some(fence) => {
            position <= fence.position() || ledger.judge(fence, flight.bearings()) != Verdict::Dead
        }
    }
}

impl Ticket {
    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flight.land(Landing::Failed(FillFailure::Aborted));
        self.flight.end(false);
        let mut shard = self.flights.shard(self.key);
        if shard.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            shard.remove(&self.key);
        }
    }
}
