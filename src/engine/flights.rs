//! The flights of a process: one a key.

use super::flight::{FillFailure, Flight, Landing, Reader};
use crate::invalidation::{Fence, Ledger};
use crate::key::KeyHash;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

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
    /// The flight was there; `landed`: its head too.
    Joined { reader: Reader, landed: bool },
    /// The flight is new, and the caller has to fill it.
    Started(Reader, Ticket),
}

/// The duty to fill a flight. Dropped before the flight landed or ended, it fails the flight, so that nobody waits
/// for a fill that was cancelled or panicked; dropped at any time, it takes the flight off the map.
#[derive(Debug)]
pub(super) struct Ticket {
    flights: Arc<Flights>,
    key: FlightKey,
    /// The key of the variant it turned out to be.
    variant: OnceLock<FlightKey>,
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
        position: Fence,
        avoid: Option<&Arc<Flight>>,
        launch: impl FnOnce() -> Arc<Flight>,
    ) -> Seat {
        let mut shard = self.shard(key);
        if let Some(flight) = shard.get(&key)
            && !avoid.is_some_and(|avoided| Arc::ptr_eq(avoided, flight))
            && reaches(flight, ledger, position)
            && let Some(reader) = flight.reader()
        {
            return Seat::Joined { reader, landed: flight.landed() };
        }
        let flight = launch();
        shard.insert(key, Arc::clone(&flight));
        drop(shard);
        self.alone(key, flight)
    }

    /// Joins the flight of `key` if its head is still awaited and it `suits`.
    pub(super) fn join_awaited(
        &self,
        key: FlightKey,
        ledger: &Ledger,
        position: Fence,
        suits: impl FnOnce(&Flight) -> bool,
    ) -> Option<Reader> {
        let shard = self.shard(key);
        let flight = shard.get(&key)?;
        if flight.landed() || !reaches(flight, ledger, position) || !suits(flight) {
            return None;
        }
        flight.reader()
    }

    /// Starts a flight for a refresh that nobody waits for, unless one is under way.
    pub(super) fn refresh(
        self: &Arc<Self>,
        key: FlightKey,
        launch: impl FnOnce() -> Arc<Flight>,
    ) -> Option<Ticket> {
        let mut shard = self.shard(key);
        match shard.entry(key) {
            Entry::Occupied(_) => None,
            Entry::Vacant(vacant) => {
                let flight = launch();
                vacant.insert(Arc::clone(&flight));
                Some(Ticket::new(self, key, flight))
            }
        }
    }

    /// Starts a flight that nobody else finds.
    pub(super) fn alone(self: &Arc<Self>, key: FlightKey, flight: Arc<Flight>) -> Seat {
        let reader = flight.reader().expect("a new flight has its first byte");
        Seat::Started(reader, Ticket::new(self, key, flight))
    }

    /// Whether one is under way for `key`.
    pub(super) fn under_way(&self, key: FlightKey) -> bool {
        self.shard(key).contains_key(&key)
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, key: FlightKey) -> MutexGuard<'_, HashMap<FlightKey, Arc<Flight>>> {
        let index = key.hash.prefix() as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request that came at `position` may be answered from `flight`, as far as its URL tells.
fn reaches(flight: &Flight, ledger: &Ledger, position: Fence) -> bool {
    match flight.fence() {
        None => true,
        Some(fence) => position <= fence || ledger.judge(fence, flight.bearings()).may_serve(),
    }
}

impl Ticket {
    fn new(flights: &Arc<Flights>, key: FlightKey, flight: Arc<Flight>) -> Self {
        Self { flights: Arc::clone(flights), key, variant: OnceLock::new(), flight }
    }

    /// Lets requests for the variant join, now that the head told which one it is: they look for it under its own
    /// key, since the origin is known to vary. Called before that becomes known.
    pub(super) fn is_variant(&self, hash: KeyHash) {
        let variant = FlightKey { hash, ..self.key };
        if variant == self.key || self.variant.set(variant).is_err() {
            return;
        }
        let mut shard = self.flights.shard(variant);
        // One that has no fence yet will take a later one.
        let older =
            |there: &Arc<Flight>| there.fence().is_some_and(|fence| Some(fence) < self.flight.fence());
        if shard.get(&variant).is_none_or(older) {
            shard.insert(variant, Arc::clone(&self.flight));
        }
    }

    /// The keys under which requests come to this flight.
    pub(super) fn keys(&self) -> impl Iterator<Item = FlightKey> + '_ {
        std::iter::once(self.key).chain(self.variant.get().copied())
    }

    pub(super) fn flight(&self) -> &Arc<Flight> {
        &self.flight
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flight.land(Landing::Failed(FillFailure::Aborted));
        self.flight.end(false);
        for key in self.keys() {
            let mut shard = self.flights.shard(key);
            if shard.get(&key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
                shard.remove(&key);
            }
        }
    }
}
