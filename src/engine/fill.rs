//! A fill: asks the origin, decides by the head whether the reply may be stored, and hands everything to the flight.
//!
//! It is a task of its own, owned by the engine. Clients come and go; the fill goes on, within the deadlines of the
//! origin's port and [`KEEP_LIMIT`], and when it is dropped its [`Ticket`] tells those who wait.

use super::Engine;
use super::arrival::{Arrival, Storable};
use super::flight::{FillFailure, Flight, Landing};
use super::flights::{FlightKey, Ticket};
use super::memo::Memo;
use super::remote::Consulted;
use super::rules::{CacheRule, Route};
use super::tagging::Asked;
use crate::invalidation::{Bearings, Fence, SharedFence, TooManyTags, Verdict};
use crate::key::{KeyBuf, KeyHash};
use crate::origin::{FetchError, FetchRequest, Framing, Reply, ReplyBody};
use crate::semantics::{
    Cookies, Credentials, Exchange, Freshness, NotStorable, SetCookie, Validators, Vary, assess,
    cdn_lifetime, is_targeted, merge_not_modified, parse_vary, remove_tags, usable_on_error,
};
use crate::store::{Entry, EntryParts, Head, Lease, Looked};
use crate::time::Timestamp;
use http::header::{AGE, COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// How long a reply that is being stored may take to arrive. It is no larger than one object of the memory tier, so
/// whatever is slower than this is not worth a place.
const KEEP_LIMIT: Duration = Duration::from_secs(300);

/// The word for a reply that a purge reached while it arrived.
pub(super) const PURGED: &str = "purged";

/// A key, and what it hashes to.
#[derive(Clone, Debug)]
pub(super) struct StoredKey {
    pub(super) hash: KeyHash,
    pub(super) bytes: Box<[u8]>,
}

impl StoredKey {
    pub(super) fn of(key: &KeyBuf) -> Self {
        Self { hash: key.hash(), bytes: key.as_bytes().into() }
    }

    /// The key of the variant that `headers` select.
    pub(super) fn variant(&self, names: &[HeaderName], headers: &HeaderMap) -> Self {
        let mut key = KeyBuf::of(&self.bytes);
        key.push_variant(names, headers);
        Self::of(&key)
    }
}

/// Everything a fill needs; it owns all of it.
pub(super) struct Fill {
    pub(super) engine: Arc<Engine>,
    pub(super) route: Arc<Route>,
    pub(super) ticket: Ticket,
    pub(super) key: FlightKey,
    /// The key without the origin's own `Vary`.
    pub(super) primary: StoredKey,
    /// What the origin is known to vary on, once it is.
    pub(super) varies_on: OnceLock<Arc<[HeaderName]>>,
    /// What it is for.
    pub(super) errand: Errand,
    pub(super) authority: Box<str>,
    pub(super) path: Box<str>,
    pub(super) credentials: Credentials,
    pub(super) request: FetchRequest,
    /// The stored reply to be confirmed or replaced, with the hash it stands under.
    pub(super) stored: Option<(KeyHash, Arc<Entry>)>,
    /// What was seen where it looks first, just before it began.
    pub(super) seen: Option<Looked>,
    /// What other nodes may know the reply by, taken before the origin is asked. `None`: it is of no use to them.
    pub(super) shared: Option<SharedFence>,
    /// Counted against the bound on fills for as long as the fill lives.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What a fill is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Requests that wait.
    Answer,
    /// A request whose client insists on the origin's word.
    AskOrigin,
    /// To renew a stale reply. Nobody waits.
    Refresh,
}

/// When the origin was asked, and when it answered.
#[derive(Clone, Copy)]
struct Times {
    requested_at: Timestamp,
    received_at: Timestamp,
}

impl Fill {
    /// Runs to the end of the reply.
    pub(super) async fn run(mut self) {
        let result = match self.consult().await {
            Consulted::Landed(word) => word,
            Consulted::AskOrigin(lease) => self.fetch(lease).await,
        };
        tracing::debug!(result, "a fill ended");
        self.engine.observer.fill(&self.route.name, result);
    }

    pub(super) fn flight(&self) -> &Arc<Flight> {
        self.ticket.flight()
    }

    pub(super) fn rule(&self) -> &CacheRule {
        self.route.cache.as_ref().expect("only routes that cache have fills")
    }

    /// Asks the origin and lands the flight; says how it ended. `lease`: other nodes wait for what comes of it.
    async fn fetch(&mut self, lease: Option<Box<dyn Lease>>) -> &'static str {
        // The fence comes first: whatever is invalidated from here on reaches what the origin is about to say, and
        // also forbids to revive a stored body by it.
        self.shared = self.engine.ledger.shared_fence();
        let fence = self.engine.ledger.fence();
        self.flight().set_fence(fence);
        let (reply, times, confirmed) = match self.ask().await {
            Ok(answer) => answer,
            Err(error) => return self.fail(FillFailure::Fetch(error)),
        };
        match (reply.status, confirmed) {
            (StatusCode::NOT_MODIFIED, Some(entry)) => {
                self.confirm(&entry, &reply.headers, fence, times, lease.as_deref()).await
            }
            (StatusCode::NOT_MODIFIED, None) => {
                let unasked = FetchError::Malformed("304 to a request without a condition".to_owned());
                self.fail(FillFailure::Fetch(unasked))
            }
            (status, _) if is_failure(status) && self.stale_is_better(times.received_at) => {
                self.fail(FillFailure::ServerError(status))
            }
            _ => self.receive(reply, fence, times, lease).await,
        }
    }

    /// Asks the origin, on the condition that something changed where a stored reply could be confirmed; returns that
    /// with the answer. A 304 that speaks of another reply is no answer: the origin is asked once more, without a
    /// condition (RFC 9111, 4.3.4).
    async fn ask(&self) -> Result<(Reply, Times, Option<Arc<Entry>>), FetchError> {
        if let Some(entry) = self.confirmable() {
            let (reply, times) = self.exchange(Some(&entry)).await?;
            if reply.status != StatusCode::NOT_MODIFIED || entry.validators.confirmed_by(&reply.headers) {
                return Ok((reply, times, Some(entry)));
            }
        }
        let (reply, times) = self.exchange(None).await?;
        Ok((reply, times, None))
    }

    async fn exchange(&self, confirmable: Option<&Entry>) -> Result<(Reply, Times), FetchError> {
        let mut request = self.request.clone();
        if let Some(entry) = confirmable {
            entry.validators.make_conditional(&mut request.headers);
        }
        let requested_at = self.engine.clock.now();
        let reply = self.engine.fetch.fetch(request).await?;
        Ok((reply, Times { requested_at, received_at: self.engine.clock.now() }))
    }

    /// The stored reply, if a 304 may confirm it: nothing reached it; or a soft purge did, or a purge may have that nobody
    /// knows of, and its validator would have told an edit of the same second.
    fn confirmable(&self) -> Option<Arc<Entry>> {
        let (_, entry) = self.stored.as_ref()?;
        if !self.route.knows(entry.head.told()) {
            return None;
        }
        let in_sight = self.engine.ledger.in_sight(entry.validated_at, self.engine.clock.now());
        let usable = match self.engine.ledger.judge(entry.fence, &entry.bearings) {
            Verdict::Live if in_sight => entry.validators.any(),
            Verdict::Live => entry.validators.strong(),
            Verdict::Stale | Verdict::Unproven => entry.validators.strong(),
            Verdict::Dead => false,
        };
        usable.then(|| Arc::clone(entry))
    }

    fn stale_is_better(&self, now: Timestamp) -> bool {
        self.stored.as_ref().is_some_and(|(_, entry)| {
            usable_on_error(&self.engine.in_sight(entry), None, now)
                && self.engine.ledger.judge(entry.fence, &entry.bearings).may_serve()
        })
    }

    fn fail(&self, failure: FillFailure) -> &'static str {
        let word = failure.as_str();
        if self.stored.is_some() {
            self.note(Memo::Failing, self.engine.clock.now());
        }
        self.flight().land(Landing::Failed(failure));
        word
    }

    /// Renews the stored reply by a 304 (RFC 9111, 4.3.4).
    async fn confirm(
        &self,
        entry: &Arc<Entry>,
        fresh: &HeaderMap,
        fence: Fence,
        times: Times,
        lease: Option<&dyn Lease>,
    ) -> &'static str {
        // What Larder wrote into the stored head for CDNs is not the origin's word.
        let (told, stored) = self.route.apart(entry);
        let mut headers = merge_not_modified(&stored, fresh);
        let assessed = self.assess(entry.head.status(), &headers, Some(entry.body.len() as u64), times);
        let freshness = match assessed {
            Ok(freshness) => freshness,
            Err(reason) => {
                // The origin confirms the body but no longer lets it be stored: good for those who asked, no further.
                self.not_stored(reason, times.received_at);
                self.flight().land(Landing::Declined);
                return reason.as_str();
            }
        };
        // The origin need not repeat its tags in a 304, so those of the stored reply stay.
        let tags = self.tags(&headers);
        let bearings = self.bearings(&tags).and_then(|bearings| bearings.with_tags_of(&entry.bearings));
        let Ok(bearings) = bearings else {
            self.not_stored(NotStorable::TooManyTags, times.received_at);
            self.flight().land(Landing::Declined);
            return NotStorable::TooManyTags.as_str();
        };
        self.strip(&mut headers);
        let said = headers.keys().any(is_targeted);
        let lifetime = cdn_lifetime(&self.rule().freshness, entry.head.status(), &headers, &freshness);
        let told = self.route.tell(&mut headers, &tags, &bearings, Some(&told), lifetime);
        let renewed = Arc::new(Entry::new(EntryParts {
            key: entry.key.clone(),
            head: Head::new(entry.head.status(), &headers).telling(told.after(entry.head.told(), said)),
            body: entry.body.clone(),
            validators: Validators::of_reply(&headers, times.received_at),
            validated_at: times.received_at,
            freshness,
            fence,
            bearings,
        }));
        let (hash, _) = self.stored.as_ref().expect("what was confirmed was stored");
        if let Some(names) = self.varies_on.get() {
            let keep = renewed.freshness.keep_for(times.received_at, true);
            self.engine.memory.put_variants(self.primary.hash, &self.primary.bytes, names, keep);
        }
        if self.commit(*hash, &renewed, times.received_at) != PURGED {
            self.leave(*hash, &renewed, times.received_at, lease).await;
        }
        let names = self.varies_on.get().cloned().unwrap_or_default();
        self.flight().land(Landing::Confirmed(renewed, names));
        "not_modified"
    }

    /// Receives a whole reply: stored and shared, or streamed to one client.
    async fn receive(
        &self,
        reply: Reply,
        fence: Fence,
        times: Times,
        lease: Option<Box<dyn Lease>>,
    ) -> &'static str {
        let Reply { status, mut headers, framing, body } = reply;
        let length = match framing {
            Framing::Empty => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Marked | Framing::UntilClose => None,
        };
        let tags = self.tags(&headers);
        let bearings = self.bearings(&tags).ok();
        let assessed = if framing.tells_truncation() {
            self.freshness(status, &headers, times)
        } else {
            Err(NotStorable::Unframed)
        };
        // What Larder has no place for a CDN may have.
        let usable = assessed.clone().ok();
        let storable =
            assessed.and_then(|freshness| self.fitting(freshness, length)).and_then(
                |freshness| match bearings {
                    Some(_) => self.storable(freshness, &headers, times),
                    None => Err(NotStorable::TooManyTags),
                },
            );
        let born = match &storable {
            Ok(storable) => Some(storable.freshness.born),
            Err(_) => age_given(&headers).map(|age| times.received_at.minus(age)),
        };
        match storable {
            Ok(_) => self.strip(&mut headers),
            Err(_) => remove_tags(&mut headers),
        }
        let lifetime =
            usable.and_then(|freshness| cdn_lifetime(&self.rule().freshness, status, &headers, &freshness));
        let told = self.route.tell(&mut headers, &tags, self.flight().bearings(), None, lifetime);
        let arrival = Arc::new(Arrival {
            head: Head::new(status, &headers).telling(told),
            validators: Validators::of_reply(&headers, times.received_at),
            length,
            received_at: times.received_at,
            born,
            fence,
            bearings,
            storable,
        });
        match &arrival.storable {
            Ok(_) => self.keep(&arrival, body, lease).await,
            Err(reason) => {
                // Other nodes have nothing to wait for.
                drop(lease);
                if !is_failure(status) {
                    self.not_stored(*reason, times.received_at);
                }
                self.flight().land(Landing::Exclusive(Arc::clone(&arrival)));
                self.stream(body).await;
                reason.as_str()
            }
        }
    }

    fn assess(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        length: Option<u64>,
        times: Times,
    ) -> Result<Freshness, NotStorable> {
        self.fitting(self.freshness(status, headers, times)?, length)
    }

    fn fitting(&self, freshness: Freshness, length: Option<u64>) -> Result<Freshness, NotStorable> {
        if length.is_some_and(|length| !self.engine.memory.takes(length)) {
            return Err(NotStorable::TooLarge);
        }
        Ok(freshness)
    }

    fn freshness(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        times: Times,
    ) -> Result<Freshness, NotStorable> {
        let exchange = Exchange {
            credentials: self.credentials,
            status,
            headers,
            requested_at: times.requested_at,
            received_at: times.received_at,
        };
        assess(&self.rule().freshness, &exchange)
    }

    /// How a storable reply is stored; also notes at the primary key what the origin varies on, so that those who
    /// are told by this reply that it is not for them find their own key.
    fn storable(
        &self,
        freshness: Freshness,
        headers: &HeaderMap,
        times: Times,
    ) -> Result<Storable, NotStorable> {
        let named = match parse_vary(headers) {
            Vary::None => Vec::new(),
            Vary::Fields(names) => names,
            Vary::All => return Err(NotStorable::VaryAll),
        };
        let known = self.varies_on.get().into_iter().flat_map(|names| names.iter().cloned());
        // Under `cookies: ignore` no cookie outside the key reached the origin: it cannot have varied on one.
        let ignored = |name: &HeaderName| *name == COOKIE && self.rule().freshness.cookies == Cookies::Ignore;
        let mut names: Vec<_> = named.into_iter().chain(known).filter(|name| !ignored(name)).collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        if names.is_empty() {
            let key = self.primary.bytes.clone();
            return Ok(Storable { freshness, key, varies_on: Arc::from([]) });
        }
        self.ticket.is_variant(self.primary.variant(&names, self.flight().asked()).hash);
        let keep = freshness.keep_for(times.received_at, true);
        let varies_on = self
            .engine
            .memory
            .put_variants(self.primary.hash, &self.primary.bytes, &names, keep)
            .ok_or(NotStorable::VaryAll)?;
        let key = self.primary.variant(&varies_on, self.flight().asked()).bytes;
        // Known before, it had fewer fields; those that it has now stand in the reply's own record.
        let _known = self.varies_on.set(Arc::clone(&varies_on));
        Ok(Storable { freshness, key, varies_on })
    }

    fn tags(&self, headers: &HeaderMap) -> Vec<String> {
        let query = self.request.target.split_once('?').map(|(_, query)| query);
        let asked = Asked { path: &self.path, query, headers: self.flight().asked() };
        self.route.tags(&asked, headers)
    }

    fn bearings(&self, tags: &[String]) -> Result<Bearings, TooManyTags> {
        Bearings::new(&self.authority, &self.path, &self.route.name, tags.iter().map(String::as_str))
    }

    /// Removes what is not for clients of a stored reply.
    fn strip(&self, headers: &mut HeaderMap) {
        remove_tags(headers);
        if self.rule().freshness.set_cookie == SetCookie::Strip {
            headers.remove(SET_COOKIE);
        }
    }

    /// Receives the body for everybody, and stores it when it is whole.
    async fn keep(
        &self,
        arrival: &Arc<Arrival>,
        mut body: Box<dyn ReplyBody>,
        mut lease: Option<Box<dyn Lease>>,
    ) -> &'static str {
        self.flight().land(Landing::Shared(Arc::clone(arrival)));
        let deadline = Instant::now() + KEEP_LIMIT;
        let mut buffered = self.engine.buffers.reserve();
        let mut length = 0;
        loop {
            match timeout_at(deadline, body.next()).await {
                Ok(Ok(Some(piece))) => {
                    length += piece.len() as u64;
                    // Who waits for it elsewhere would wait in vain.
                    lease =
                        lease.filter(|_| self.is_for_others(arrival.length.unwrap_or(length).max(length)));
                    let fits = self.engine.memory.takes(length) && buffered.grow(piece.len() as u64);
                    // Whoever has all of it may rely on its being stored, be it in a tier that takes its time.
                    if fits && arrival.length == Some(length) {
                        self.flight().push_last(piece);
                    } else {
                        self.flight().push(piece);
                    }
                    if !fits {
                        drop(buffered);
                        // It takes as long as its slowest reader, and brings nothing for other nodes.
                        drop(lease);
                        return self.outgrow(body).await;
                    }
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    self.flight().end(false);
                    return error.as_str();
                }
                Err(_) => {
                    self.flight().end(false);
                    return FetchError::Timeout.as_str();
                }
            }
        }
        let stored = self.store(arrival, lease.as_deref()).await;
        self.flight().end(true);
        stored
    }

    /// Goes on with a reply that turned out too large to be kept.
    async fn outgrow(&self, body: Box<dyn ReplyBody>) -> &'static str {
        self.not_stored(NotStorable::TooLarge, self.engine.clock.now());
        self.flight().narrow();
        self.stream(body).await;
        NotStorable::TooLarge.as_str()
    }

    /// Passes the body on at the pace of those who read it, as long as anybody does.
    async fn stream(&self, mut body: Box<dyn ReplyBody>) {
        let whole = loop {
            if !self.flight().room().await {
                break false;
            }
            match body.next().await {
                Ok(Some(piece)) => self.flight().push(piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        self.flight().end(whole);
    }

    async fn store(&self, arrival: &Arrival, lease: Option<&dyn Lease>) -> &'static str {
        let (Ok(storable), Some(bearings)) = (&arrival.storable, &arrival.bearings) else {
            return "not_stored";
        };
        let entry = Arc::new(Entry::new(EntryParts {
            key: storable.key.clone(),
            head: arrival.head.clone(),
            body: self.flight().gathered(),
            freshness: storable.freshness.clone(),
            validators: arrival.validators.clone(),
            validated_at: arrival.received_at,
            fence: arrival.fence,
            bearings: bearings.clone(),
        }));
        let hash = KeyBuf::of(&storable.key).hash();
        let now = self.engine.clock.now();
        let stored = self.commit(hash, &entry, now);
        if stored != PURGED {
            self.leave(hash, &entry, now, lease).await;
        }
        stored
    }

    /// Puts an entry into memory, unless something reached it while it arrived.
    fn commit(&self, hash: KeyHash, entry: &Arc<Entry>, now: Timestamp) -> &'static str {
        if self.engine.ledger.judge(entry.fence, &entry.bearings) == Verdict::Dead {
            return PURGED;
        }
        self.keep_in_memory(hash, entry, now)
    }

    pub(super) fn keep_in_memory(&self, hash: KeyHash, entry: &Arc<Entry>, now: Timestamp) -> &'static str {
        self.ticket.keys().for_each(|key| self.engine.memos.forget(key));
        self.engine.keep(self.rule(), hash, entry, now)
    }

    fn note(&self, memo: Memo, now: Timestamp) {
        self.ticket.keys().for_each(|key| self.engine.memos.note(key, memo, now));
    }

    /// The origin's word is that this key is not stored (any more): what stands there goes, and the next requests
    /// need not wait for one another.
    fn not_stored(&self, reason: NotStorable, now: Timestamp) {
        // What is tied to credentials is remembered among requests that have some: they have flights of their own.
        if reason.lasting() || reason.tied_to_credentials() && self.key.credentials {
            self.note(Memo::Uncacheable(reason.as_str()), now);
        }
        if let Some((hash, entry)) = &self.stored {
            self.engine.memory.remove(hash, entry);
        }
    }
}

/// The statuses for which RFC 5861, 4 lets a stale reply be preferred.
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

fn age_given(headers: &HeaderMap) -> Option<Duration> {
    headers.get(AGE)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
