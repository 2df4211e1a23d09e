//! From a request to its answer.

use super::Engine;
use super::answer::{Answer, Failure, Outcome, Reply};
use super::arrival::Arrival;
use super::fill::{Errand, Fill, PURGED};
use super::flight::{FillFailure, Flight, Landing, Reader};
use super::flights::{FlightKey, Seat, Ticket};
use super::glance::Glanced;
use super::lookup::Found;
use super::memo::Memo;
use super::reply::{Manner, from_arrival, from_entry};
use super::request::Request;
use super::rules::{CacheRule, Collapse, Route};
use crate::invalidation::{Bearings, Fence, Place, Reach, Sight, Standing, Verdict};
use crate::origin::FetchError;
use crate::semantics::{
    CacheStatus, Credentials, Decision, Forward, Freshness, RequestDirectives, Revalidate, decide, may_share,
    usable_on_error,
};
use crate::store::{Entry, Looked};
use crate::time::Timestamp;
use http::HeaderName;
use std::sync::{Arc, OnceLock};
use tracing::Instrument;

/// How often a request looks again after a flight brought a reply that was not for it: another variant, one that a
/// purge had reached, a fill that was cancelled. After that it goes alone, so that it always gets an answer.
const ATTEMPTS: usize = 4;

/// Where a hit came from, as `Cache-Status` names it.
const MEMORY: &str = "memory";
pub(super) const REMOTE: &str = "redis";

/// Brought by a client that wants to read what it wrote.
const LARDER_POSITION: HeaderName = HeaderName::from_static("larder-position");

/// A request under way, with what was found out about it once.
pub(super) struct Asking<'a> {
    pub(super) route: &'a Arc<Route>,
    pub(super) rule: &'a CacheRule,
    pub(super) request: &'a Request<'a>,
    credentials: Credentials,
    pub(super) directives: Option<RequestDirectives>,
    /// What this node had applied when the request came. Nothing older than that may answer it.
    since: Fence,
    /// Where the write stands that its client wants to read.
    brought: Option<Place>,
}

/// What comes of a stored reply.
pub(super) enum Stored {
    Answer(Answer),
    /// Served stale; to be refreshed by a fill that nobody waits for.
    Refresh(Answer),
    /// To be confirmed first. It may still serve if the origin fails.
    Confirm(Forward),
    /// A purge reached it.
    Dead,
}

/// What comes of a seat in a flight.
#[expect(clippy::large_enum_variant, reason = "made once a request and taken apart at once")]
enum Landed {
    Answer(Answer),
    /// The reply was not for this request; look again, not at this flight.
    Again(Arc<Flight>),
}

impl Engine {
    /// Answers from memory, if a fresh reply is there and nothing has to be asked. Never waits.
    pub fn hit(&self, route: &Arc<Route>, request: &Request<'_>) -> Option<Reply> {
        let rule = route.cache.as_ref().filter(|rule| rule.memory)?;
        let asking = self.asking(route, rule, request);
        if asking.brought.is_some_and(|place| self.ledger.standing(place) != Standing::Applied) {
            return None;
        }
        let Found::Entry(hash, entry, _) = self.lookup(rule, request) else { return None };
        let now = self.clock.now();
        match self.judge(&asking, &entry, now, MEMORY) {
            Stored::Answer(Answer::Reply(reply)) => {
                self.slide(rule, hash, &entry, now);
                Some(reply)
            }
            _ => None,
        }
    }

    /// Answers a request. Waits for the origin's reply head at most, as long as the port to the origin allows;
    /// cancelling it loses nothing but the place among the readers.
    pub async fn answer(self: &Arc<Self>, route: &Arc<Route>, request: &Request<'_>) -> Answer {
        let Some(rule) = route.cache.as_ref() else { return pass(Forward::Bypass, None) };
        let asking = self.asking(route, rule, request);
        if let Some(place) = asking.brought
            && self.log.reach(place).await == Reach::Behind
        {
            return pass(Forward::Request, Some("behind"));
        }
        let mut avoid = None;
        for attempt in 0..ATTEMPTS {
            let now = self.clock.now();
            let found = self.lookup(rule, request);
            let mut forward = match found {
                Found::NoVariant(..) => Forward::VaryMiss,
                _ => Forward::UriMiss,
            };
            let mut stored = None;
            if let Found::Entry(hash, entry, _) = &found {
                match self.judge(&asking, entry, now, MEMORY) {
                    Stored::Answer(answer) => {
                        self.slide(rule, *hash, entry, now);
                        return answer;
                    }
                    Stored::Refresh(answer) => {
                        self.observer.stale(&route.name, "revalidating");
                        self.refresh(&asking, &found);
                        return answer;
                    }
                    Stored::Confirm(why) => {
                        forward = why;
                        stored = Some(entry);
                    }
                    Stored::Dead => self.memory.remove(hash, entry),
                }
            }
            match &asking.directives {
                Some(directives) if directives.only_if_cached => return Answer::Failed(Failure::NotCached),
                // Nothing of this exchange may be stored (RFC 9111, 5.2.1.5).
                Some(directives) if directives.no_store => return pass(Forward::Request, Some("no_store")),
                _ => {}
            }
            let key = FlightKey { hash: found.hash(), credentials: !asking.credentials.none() };
            match self.memos.of(key, now) {
                Some(Memo::Uncacheable(reason)) => return pass(forward, Some(reason)),
                Some(Memo::Failing) => {
                    if let Some(answer) = stored.and_then(|entry| self.stale(&asking, entry)) {
                        return answer;
                    }
                }
                None => {}
            }
            let errand = if forward == Forward::Request { Errand::AskOrigin } else { Errand::Answer };
            let mut seen = None;
            if errand == Errand::Answer && stored.is_none() && avoid.is_none() {
                seen = match self.glance(&asking, &found, key).await {
                    Glanced::Answer(answer) => return answer,
                    Glanced::Fill(seen) => seen,
                };
            }
            let seat = match self.seat(&asking, &found, key, errand, seen, avoid.as_ref()) {
                Seating::Seated(berth) => berth,
                Seating::Overtaken => continue,
                Seating::Full => return pass(forward, Some("busy")),
            };
            match self.land(&asking, seat, &found, stored, forward, attempt).await {
                Landed::Answer(answer) => return answer,
                Landed::Again(flight) => avoid = Some(flight),
            }
        }
        pass(Forward::Miss, Some("contended"))
    }

    fn asking<'a>(&self, route: &'a Arc<Route>, rule: &'a CacheRule, request: &'a Request<'a>) -> Asking<'a> {
        Asking {
            route,
            rule,
            request,
            credentials: request.credentials(rule),
            directives: request.directives(rule),
            since: self.ledger.fence(),
            brought: brought(request),
        }
    }

    /// Decides about a stored reply.
    pub(super) fn judge(
        &self,
        asking: &Asking<'_>,
        entry: &Entry,
        now: Timestamp,
        tier: &'static str,
    ) -> Stored {
        let soft = match self.ledger.judge_cached(entry.fence, &entry.bearings, entry.checked()) {
            Verdict::Live => false,
            Verdict::Stale => true,
            Verdict::Unproven => return Stored::Confirm(Forward::Stale),
            Verdict::Dead => return Stored::Dead,
        };
        let most = match self.ledger.sight(entry.validated_at, now) {
            Sight::Followed => None,
            Sight::For(left) => Some(left),
            // Nobody knows what was purged since: what is not validated anew may be told to nobody, not even as stale.
            Sight::Lost => return Stored::Confirm(Forward::Stale),
        };
        if !may_share(&entry.freshness, &asking.rule.freshness, asking.credentials) {
            return Stored::Answer(pass(Forward::Bypass, Some("credentials")));
        }
        // What a soft purge reached has no freshness left, whatever its lifetime says.
        let ttl = soft.then_some(0);
        let hit = CacheStatus { hit: true, ttl, detail: Some(tier), ..CacheStatus::default() };
        let reply = |outcome| {
            let manner = match outcome {
                Outcome::Stale => Manner::stale(hit),
                outcome => Manner { outcome, status: hit, most },
            };
            match from_entry(asking.route, entry, asking.request, now, manner) {
                Some(reply) => Answer::Reply(reply),
                None => pass(Forward::Request, Some("precondition")),
            }
        };
        match decide(&entry.freshness, soft, asking.directives.as_ref(), now) {
            Decision::Fresh => Stored::Answer(reply(Outcome::Hit)),
            Decision::StaleWhileRevalidate => Stored::Refresh(reply(Outcome::Stale)),
            Decision::NotCached => Stored::Answer(Answer::Failed(Failure::NotCached)),
            Decision::Revalidate(Revalidate::Request) => Stored::Confirm(Forward::Request),
            Decision::Revalidate(Revalidate::Stale | Revalidate::NoCache) => Stored::Confirm(Forward::Stale),
        }
    }

    /// The stored reply instead of an error, if it may be (RFC 5861, 4). Judged again: a purge may have come meanwhile.
    fn stale(&self, asking: &Asking<'_>, entry: &Entry) -> Option<Answer> {
        let now = self.clock.now();
        if !usable_on_error(&self.in_sight(entry), asking.directives.as_ref(), now)
            || !self.ledger.judge(entry.fence, &entry.bearings).may_serve()
        {
            return None;
        }
        let status = CacheStatus { hit: true, detail: Some(MEMORY), ..CacheStatus::default() };
        let manner = Manner::stale(status);
        let reply = from_entry(asking.route, entry, asking.request, now, manner)?;
        self.observer.stale(&asking.route.name, "error");
        Some(Answer::Reply(reply))
    }

    /// A place in a flight for the key, with a fill under way.
    fn seat(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        found: &Found,
        key: FlightKey,
        errand: Errand,
        seen: Option<Looked>,
        avoid: Option<&Arc<Flight>>,
    ) -> Seating {
        let collapse = asking.rule.collapse != Collapse::Off;
        let seat = if !collapse {
            self.flights.alone(key, launch(asking))
        } else if let Some(reader) = self.before_variants(asking, found, key) {
            Seat::Joined { reader, landed: false }
        } else {
            self.flights.join(key, &self.ledger, asking.since, avoid, || launch(asking))
        };
        match seat {
            Seat::Joined { reader, landed } => {
                Seating::Seated(Berth { reader, started: false, late: landed })
            }
            Seat::Started(reader, ticket) => {
                // A fill that ended between the look into memory and the seat has left its reply there. It stores
                // before it gives up its flight, so a second look, with the flight in hand, cannot miss it.
                if collapse && found.overtaken_by(&self.lookup(asking.rule, asking.request)) {
                    return Seating::Overtaken;
                }
                let Ok(permit) = Arc::clone(&self.fills).try_acquire_owned() else { return Seating::Full };
                let fill = Fill { seen, ..self.fill(asking, found, errand, key, ticket, permit) };
                self.spawn(fill);
                Seating::Seated(Berth { reader, started: true, late: false })
            }
        }
    }

    /// A place in a flight that was started for this very variant before it was known that the origin varies.
    fn before_variants(&self, asking: &Asking<'_>, found: &Found, key: FlightKey) -> Option<Reader> {
        let Found::NoVariant(hash, names) = found else { return None };
        let primary = Self::primary_key(asking.rule, asking.request);
        let suits = |flight: &Flight| primary.variant(names, flight.asked()).hash == *hash;
        let before = FlightKey { hash: primary.hash, ..key };
        self.flights.join_awaited(before, &self.ledger, asking.since, suits)
    }

    fn refresh(self: &Arc<Self>, asking: &Asking<'_>, found: &Found) {
        let key = FlightKey { hash: found.hash(), credentials: !asking.credentials.none() };
        if self.memos.of(key, self.clock.now()).is_some() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.fills).try_acquire_owned() else { return };
        let Some(ticket) = self.flights.refresh(key, || launch(asking)) else { return };
        let fill = self.fill(asking, found, Errand::Refresh, key, ticket, permit);
        self.spawn(fill);
    }

    fn fill(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        found: &Found,
        errand: Errand,
        key: FlightKey,
        ticket: Ticket,
        permit: tokio::sync::OwnedSemaphorePermit,
    ) -> Fill {
        let primary = Self::primary_key(asking.rule, asking.request);
        let (stored, varies_on) = match found {
            Found::Entry(hash, entry, names) => (Some((*hash, Arc::clone(entry))), names.clone()),
            Found::NoVariant(_, names) => (None, Some(Arc::clone(names))),
            Found::Nothing(_) => (None, None),
        };
        let affinity = primary.hash.prefix();
        Fill {
            engine: Arc::clone(self),
            route: Arc::clone(asking.route),
            ticket,
            key,
            primary,
            varies_on: varies_on.map(OnceLock::from).unwrap_or_default(),
            errand,
            authority: asking.request.target.authority.into(),
            path: asking.request.target.path.into(),
            credentials: asking.credentials,
            request: asking.request.to_fetch(asking.rule, &asking.route.origin, affinity),
            stored,
            seen: None,
            shared: None,
            _permit: permit,
        }
    }

    fn spawn(&self, fill: Fill) {
        let span = tracing::debug_span!("fill", route = %fill.route.name, path = %fill.path);
        self.tasks.spawn(fill.run().instrument(span));
    }

    /// Waits for a flight's head and takes from it what is for this request.
    async fn land(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        berth: Berth,
        found: &Found,
        stored: Option<&Arc<Entry>>,
        forward: Forward,
        attempt: usize,
    ) -> Landed {
        let Berth { reader, started, late } = berth;
        let again = |reader: &Reader| Landed::Again(Arc::clone(reader.flight()));
        let status = CacheStatus { fwd: Some(forward), collapsed: !started, ..CacheStatus::default() };
        match reader.landing().await {
            Landing::Shared(arrival) if late && !self.is_fresh(asking, arrival.freshness()) => again(&reader),
            Landing::Shared(arrival) => self.share(asking, reader, &arrival, started, status),
            Landing::Exclusive(arrival) => {
                let reason = arrival.storable.as_ref().err().map(|reason| reason.as_str());
                if !started || !asking.request.is_plain() {
                    return Landed::Answer(pass(forward, reason));
                }
                let status = CacheStatus { detail: reason, ..status };
                let now = self.clock.now();
                let overtaken = self.overtaken(arrival.fence, arrival.bearings.as_ref());
                let most = self.most(overtaken, arrival.received_at, now);
                let manner = Manner { outcome: Outcome::Miss, status, most };
                let reply = from_arrival(asking.route, &arrival, reader, asking.request, now, manner);
                Landed::Answer(reply.map_or_else(|| pass(forward, reason), Answer::Reply))
            }
            Landing::Confirmed(entry, names) => {
                // It may have been looked for by the variant of whoever came first.
                if !started && !Self::is_variant_of(asking.rule, asking.request, &names, &entry.key) {
                    return again(&reader);
                }
                if late && !self.is_fresh(asking, Some(&entry.freshness))
                    || !self.reaches(asking, started, entry.fence, &entry.bearings)
                {
                    return again(&reader);
                }
                if !may_share(&entry.freshness, &asking.rule.freshness, asking.credentials) {
                    return Landed::Answer(pass(Forward::Bypass, Some("credentials")));
                }
                let status = CacheStatus { fwd_status: Some(304), ..status };
                let outcome = if started { Outcome::Revalidated } else { Outcome::Collapsed };
                self.count_collapsed(asking, started);
                let now = self.clock.now();
                let overtaken = self.overtaken(entry.fence, Some(&entry.bearings));
                let manner = Manner { outcome, status, most: self.most(overtaken, entry.validated_at, now) };
                let reply = from_entry(asking.route, &entry, asking.request, now, manner);
                Landed::Answer(
                    reply.map_or_else(|| pass(Forward::Request, Some("precondition")), Answer::Reply),
                )
            }
            Landing::Stored(entry, names) => {
                if !started && !Self::is_variant_of(asking.rule, asking.request, &names, &entry.key) {
                    return again(&reader);
                }
                match self.judge(asking, &entry, self.clock.now(), REMOTE) {
                    Stored::Answer(answer) => Landed::Answer(answer),
                    Stored::Refresh(answer) => {
                        self.observer.stale(&asking.route.name, "revalidating");
                        self.refresh(asking, found);
                        Landed::Answer(answer)
                    }
                    Stored::Confirm(_) | Stored::Dead => again(&reader),
                }
            }
            Landing::Declined => Landed::Answer(pass(forward, None)),
            Landing::Failed(failure) => {
                if let Some(answer) = stored.and_then(|entry| self.stale(asking, entry)) {
                    return Landed::Answer(answer);
                }
                match failure {
                    // The fill was cut off by no fault of the origin: once more.
                    FillFailure::Aborted => again(&reader),
                    // A connection that broke may have been this one fill's bad luck; one more try for all who waited.
                    FillFailure::Fetch(FetchError::Broken(_)) if !started && attempt == 0 => again(&reader),
                    FillFailure::Fetch(error) => Landed::Answer(Answer::Failed(failed(&error))),
                    // There was something stale to be preferred, but not for this request: the error it is.
                    FillFailure::ServerError(_) => Landed::Answer(pass(forward, None)),
                }
            }
        }
    }

    fn share(
        &self,
        asking: &Asking<'_>,
        reader: Reader,
        arrival: &Arrival,
        started: bool,
        status: CacheStatus,
    ) -> Landed {
        let (Ok(storable), Some(bearings)) = (&arrival.storable, &arrival.bearings) else {
            return Landed::Again(Arc::clone(reader.flight()));
        };
        if !started
            && (!Self::is_variant_of(asking.rule, asking.request, &storable.varies_on, &storable.key)
                || !self.reaches(asking, started, arrival.fence, bearings))
        {
            return Landed::Again(Arc::clone(reader.flight()));
        }
        if !may_share(&storable.freshness, &asking.rule.freshness, asking.credentials) {
            return Landed::Answer(pass(Forward::Bypass, Some("credentials")));
        }
        self.count_collapsed(asking, started);
        let verdict = self.ledger.judge(arrival.fence, bearings);
        let dead = verdict == Verdict::Dead;
        let status = CacheStatus { stored: started && !dead, detail: dead.then_some(PURGED), ..status };
        let outcome = if started { Outcome::Miss } else { Outcome::Collapsed };
        let forward = status.fwd.unwrap_or(Forward::Miss);
        let now = self.clock.now();
        let most = self.most(verdict != Verdict::Live, arrival.received_at, now);
        let manner = Manner { outcome, status, most };
        let reply = from_arrival(asking.route, arrival, reader, asking.request, now, manner);
        Landed::Answer(reply.map_or_else(|| pass(forward, Some("precondition")), Answer::Reply))
    }

    /// Whether what was read behind `fence` may answer this request: it came no later than the fence was taken, or
    /// nothing that reaches the reply was invalidated since.
    fn reaches(&self, asking: &Asking<'_>, started: bool, fence: Fence, bearings: &Bearings) -> bool {
        started || asking.since <= fence || self.ledger.judge(fence, bearings).may_serve()
    }

    fn is_fresh(&self, asking: &Asking<'_>, freshness: Option<&Freshness>) -> bool {
        let now = self.clock.now();
        freshness.is_some_and(|freshness| {
            decide(freshness, false, asking.directives.as_ref(), now) == Decision::Fresh
        })
    }

    fn count_collapsed(&self, asking: &Asking<'_>, started: bool) {
        if !started {
            self.observer.collapsed(&asking.route.name);
        }
    }
}

/// What comes of asking for a seat.
enum Seating {
    Seated(Berth),
    /// Another fill stored a reply since memory was looked at: look again.
    Overtaken,
    /// Too many fills are under way.
    Full,
}

/// A seat whose flight is being filled.
struct Berth {
    reader: Reader,
    /// Whether this request started it.
    started: bool,
    /// Whether it came when the head was there already: then it did not ask together with the others, and the reply
    /// is to it what a stored one would be.
    late: bool,
}

/// The place in the log that a request brings; what is none says nothing.
fn brought(request: &Request<'_>) -> Option<Place> {
    request.target.headers.get(LARDER_POSITION)?.to_str().ok()?.parse().ok()
}

fn launch(asking: &Asking<'_>) -> Arc<Flight> {
    let target = &asking.request.target;
    let bearings = Bearings::of_target(target.authority, target.path, &asking.route.name);
    Flight::new(bearings, target.headers.clone())
}

fn pass(forward: Forward, detail: Option<&'static str>) -> Answer {
    Answer::Pass { forward, detail }
}

/// What a client is told when its fill brought nothing.
fn failed(error: &FetchError) -> Failure {
    match error {
        FetchError::Timeout => Failure::GatewayTimeout,
        FetchError::Busy { retry_after } => Failure::Busy { retry_after: *retry_after },
        FetchError::NoServer => Failure::Busy { retry_after: NO_SERVER_RETRY },
        FetchError::Connect(_) | FetchError::Broken(_) | FetchError::Malformed(_) => Failure::BadGateway,
    }
}

/// When it is worth asking again while no server is healthy: about a health check later.
const NO_SERVER_RETRY: std::time::Duration = std::time::Duration::from_secs(5);
