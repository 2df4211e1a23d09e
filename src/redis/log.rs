//! The invalidation log in Redis: a stream of records, two tables, intents and a head, in one hash slot.
//!
//! Whatever reads or changes them is a script, and every script begins with the same guard (`log/guard.lua`): the head is
//! there, in a layout that this version knows; birth and term are those that the caller follows; all other parts are there
//! and show the same birth; and the server continues the replication history in which the term began. So nothing that
//! happens behind the connection, be it a fail-over behind a proxy, a redirection in a cluster or an eviction, can slip
//! a record into another log than the caller means, or hide that a part of it was lost.
//!
//! | key | type | content |
//! | --- | --- | --- |
//! | `{namespace}:log:head` | hash | `layout`, `birth`, `term`, `replid`, `ends`, `cdns` (which there are, and when a node that has it was last heard of), `last` (position handed out or seen), `tip` (position of the newest record), `born` (when, in milliseconds), `all_hard`, `tag_soft`, … (when each kind of matcher was last purged), `hard` and `soft` (1 once the table was made) |
//! | `{namespace}:log:stream` | stream | a record, its ID its position: `previous`, `id`, `urgent`, `purges`, `epoch` |
//! | `{namespace}:log:table:hard`, `…:soft` | string | birth, then the slots, 8 bytes each, big-endian |
//! | `{namespace}:log:intents` | hash | ID → deadline, node, purges; ID and `n` → names |
//! | `{namespace}:log:due` | sorted set | IDs of intents by deadline |
//! | `{namespace}:log:owned` | sorted set | node and ID of intents not swept yet, in the order of their bytes |
//! | `{namespace}:log:nodes` | hash | node → position applied, time of its last heartbeat; or that it left, and when |
//! | `{namespace}:log:names` | stream | names of a record, under its position: `id`, `names` |
//! | `{namespace}:log:cdn:NAME` | stream | the queue of a CDN: see `outbox` |
//!
//! Where CDNs are configured purges are known by name too. An append puts its names into the queue of every CDN in the same
//! script, so no crash comes between, and beside the record, so that every node can append them again. Names stand in places
//! that versions without them leave alone: such nodes go on following the log, and purge without a CDN being told.
//!
//! Nodes may have different CDNs while their configuration is changed. Each has its own noted in the head, and the script that
//! appends refuses whoever does not name the queues of all that stand there; it is told them, and appends again. A CDN that no
//! node had for a day is forgotten, all that was kept for it is removed, and it is told everything by the first node that has it
//! again; before that nodes say that nobody has it.
//!
//! Times are the server's, and so are those of two servers before and after a fail-over: intents fall due as much earlier or
//! later as their clocks differ.
//!
//! What no guard can see is a primary that was replaced and does not know it yet: who is cut off together with it goes on
//! following it. `min-replicas-to-write` makes such a server refuse heartbeats, so that its followers know.

mod calls;
mod cdns;
mod keys;
mod script;
mod tail;
mod wire;

pub use self::cdns::Deserted;
pub(super) use self::keys::{key, queue};

use self::keys::Keys;
use self::script::Scripts;
use self::wire::{BadRecord, Malformed};
use crate::fleet::{
    Append, Appended, Beat, Head, Intent, LogStore, MAX_DUE, NODE_TIMEOUT, NodeId, Record, Settle,
    StoreError, TABLE_CHUNK, TABLE_SLOTS,
};
use crate::invalidation::{Birth, Epoch, IntentId, Mode, Names, Position, Purge};
use crate::redis::forms::Dialect;
use crate::redis::spare::Spare;
use crate::redis::{Link, Op};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use redis::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Records kept in the stream, about: 50 seconds of a thousand a second, ten times as long as a node may be blind before it
/// says so. With a purge each they take some 5 MiB, and 130 MiB if every one has as many as it may.
const MOST_RECORDS: u32 = 50_000;

/// Records whose names are kept, about: who reads the log as it grows has them within milliseconds, and only who does has to
/// append again what a fail-over loses. With the names of a purge each they take 2 MiB, and 256 MiB if every one has as many
/// as it may.
const MOST_NAMED: u32 = 8192;

/// Records that one append brings back at most; whoever is further behind reads on.
const MOST_BETWEEN: usize = 256;

/// Intents kept at most, those with names counted twice: a write under way has one, and one that ended in doubt keeps it for
/// a minute. They take some 30 MiB, and the birth of a log, which goes through them, a fraction of a second.
const MOST_INTENTS: u32 = 100_000;

/// Terms of one log at most: each leaves a position behind that every node reads when it opens the log.
const MOST_TERMS: u32 = 4096;

/// Where the log is kept, and how long its server may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisLogSettings {
    /// Nothing outside of it is read or written. Not empty, and without braces.
    pub namespace: String,
    /// For what a write waits for: intents.
    pub timeout: Duration,
    /// For everything else, and to connect; a read may take this much longer than it is to wait. Appends too: whoever waits
    /// for one gives up by itself, and one that was given up each time would be repeated for ever by a server that is slow.
    pub patience: Duration,
    /// Replicas that must have a record before its append has succeeded.
    pub min_replicas: usize,
    /// The CDNs that have a queue here, by their names, which hold no colon.
    pub cdns: Vec<Arc<str>>,
}

/// The log in Redis.
pub struct RedisLog {
    link: Arc<Link>,
    settings: RedisLogSettings,
    /// They change when nodes with other CDNs come and go.
    keys: ArcSwap<Keys>,
    scripts: Scripts,
    dialect: Dialect,
    /// The connection that reads block.
    tail: Spare,
    /// Those that appends block while they wait for replicas.
    appending: Spare,
    /// A log that was found to hold what no script wrote. The next time it is opened it gives way to another.
    given_up: Mutex<Option<Birth>>,
    sees_fail_overs: AtomicBool,
    may_be_evicted: AtomicBool,
    deserted: Mutex<Vec<Deserted>>,
}

impl RedisLog {
    /// Connects when it is first used.
    pub fn new(link: Arc<Link>, settings: RedisLogSettings) -> Self {
        Self {
            keys: ArcSwap::from_pointee(Keys::new(&settings.namespace, &settings.cdns, Vec::new())),
            link,
            settings,
            scripts: Scripts::new(),
            dialect: Dialect::default(),
            tail: Spare::default(),
            appending: Spare::default(),
            given_up: Mutex::default(),
            sees_fail_overs: AtomicBool::new(true),
            may_be_evicted: AtomicBool::new(false),
            deserted: Mutex::default(),
        }
    }

    /// Whether a fail-over would be noticed, as far as is known. Not so where the ACL of the user forbids `INFO`.
    pub fn sees_fail_overs(&self) -> bool {
        self.sees_fail_overs.load(Ordering::Relaxed)
    }

    /// Whether the server evicts keys without an expiry when its memory is full (`maxmemory-policy allkeys-*`), as it was when
    /// the log was last opened.
    pub fn may_be_evicted(&self) -> bool {
        self.may_be_evicted.load(Ordering::Relaxed)
    }

    fn given_up(&self) -> std::sync::MutexGuard<'_, Option<Birth>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a reader of records makes of bad ones. A log that holds what cannot be read says no more what was purged.
    fn bad(&self, epoch: Epoch, bad: BadRecord) -> StoreError {
        if bad == BadRecord::Malformed {
            tracing::error!(birth = %epoch.birth, "the log holds what cannot be read, and is given up");
            *self.given_up() = Some(epoch.birth);
        }
        StoreError::Moved
    }

    fn opened(&self, reply: &Value) -> Result<Head, StoreError> {
        let [event, judged, evicts, lost, cdns, fields @ ..] = wire::answer(reply, "ok")? else {
            return Err(Malformed.into());
        };
        let head = wire::head(fields).inspect_err(|_| *self.given_up() = wire::birth(fields))?;
        match wire::bytes(event)? {
            b"born" => {
                tracing::warn!(birth = %head.birth, "a new log begins: there was none, or a part of it is lost");
            }
            b"term" => {
                tracing::warn!(term = head.term.0, "a new term of the log begins: its server is another one");
            }
            _ => {}
        }
        self.hear(cdns)?;
        if !matches!(lost, Value::Int(0)) {
            tracing::error!(queues = ?lost, "queues of CDNs are lost: these CDNs are told to purge everything");
        }
        let sees = wire::bytes(judged)? == b"1";
        if self.sees_fail_overs.swap(sees, Ordering::Relaxed) && !sees {
            tracing::warn!("INFO is forbidden, so what a fail-over loses will not be noticed");
        }
        let evicts = wire::bytes(evicts)? == b"1";
        if !self.may_be_evicted.swap(evicts, Ordering::Relaxed) && evicts {
            tracing::warn!(
                "the server evicts what has no expiry, too: the log may be lost, and all replies with it"
            );
        }
        Ok(head)
    }

    async fn append_once(&self, arguments: &[Vec<u8>]) -> Result<Value, StoreError> {
        if self.settings.min_replicas > 0 {
            return self.append_and_wait(arguments).await;
        }
        self.call(Op::Append, &self.scripts.append, arguments, self.settings.patience).await
    }

    fn append_arguments(&self, epoch: Epoch, append: &Append) -> Vec<Vec<u8>> {
        let flag = |on: bool| if on { b"1".to_vec() } else { b"0".to_vec() };
        let raised = wire::raised(&append.purges);
        let [hard, soft] = raised.offsets;
        let mut arguments = vec![
            wire::epoch_bytes(epoch),
            wire::id_after(append.after).into_bytes(),
            wire::id_of(append.seen).into_bytes(),
            append.id.0.to_be_bytes().to_vec(),
            flag(append.urgent),
            wire::purges_bytes(&append.purges),
            hard,
            soft,
            flag(raised.all[0]),
            flag(raised.all[1]),
            MOST_RECORDS.to_string().into_bytes(),
            MOST_BETWEEN.to_string().into_bytes(),
            append.names.as_bytes().to_vec(),
            MOST_NAMED.to_string().into_bytes(),
        ];
        for settle in &append.settles {
            let (word, id) = match settle {
                Settle::Done(id) => ("done", id),
                Settle::Sweep(id) => ("sweep", id),
                Settle::Last(id) => ("last", id),
            };
            arguments.extend([word.as_bytes().to_vec(), id.0.to_be_bytes().to_vec()]);
        }
        arguments.push(self.own_queues());
        arguments
    }

    /// The record itself follows what was between, unless that was cut short.
    fn appended(&self, epoch: Epoch, append: &Append, fields: &[Value]) -> Result<Appended, StoreError> {
        let [position, previous, between, named] = fields else { return Err(Malformed.into()) };
        let position = wire::position(position)?;
        // As the script did it.
        let names = match (self.wants_names(), append.names.is_empty()) {
            (true, false) => append.names.clone(),
            (true, true) => Names::everything(),
            (false, _) => Names::NONE,
        };
        let own = Record {
            position,
            previous: wire::position(previous)?,
            id: append.id,
            purges: append.purges.clone(),
            names,
            urgent: append.urgent,
        };
        // It is appended, whatever stands before it: the next read will say what is wrong there.
        let mut between = wire::records(between, epoch).unwrap_or_else(|bad| {
            let _ = self.bad(epoch, bad);
            Vec::new()
        });
        wire::name(&mut between, named);
        if between.last().map_or(own.previous <= append.after, |last| last.position == own.previous) {
            between.push(own);
        }
        Ok(Appended::At { position, between })
    }

    async fn open_at(&self, seen: Position, known: Option<Epoch>, outgrow: bool) -> Result<Head, StoreError> {
        let given_up = self.given_up().map(|birth| birth.0.to_be_bytes().to_vec());
        let arguments = [
            rand::random::<u128>().to_be_bytes().to_vec(),
            wire::id_of(seen).into_bytes(),
            given_up.unwrap_or_default(),
            Purge::everything().to_bytes().to_vec(),
            MOST_TERMS.to_string().into_bytes(),
            known.map(|known| known.birth.0.to_be_bytes().to_vec()).unwrap_or_default(),
            known.map_or(0, |known| known.term.0).to_string().into_bytes(),
            u8::from(outgrow).to_string().into_bytes(),
            self.own_queues(),
        ];
        let reply = self.call(Op::Open, &self.scripts.open, &arguments, self.settings.patience).await?;
        self.opened(&reply)
    }
}

#[async_trait]
impl LogStore for RedisLog {
    async fn open(&self, seen: Position, known: Option<Epoch>) -> Result<Head, StoreError> {
        self.open_at(seen, known, false).await
    }

    async fn outgrow(&self, seen: Position, known: Epoch) -> Result<Head, StoreError> {
        self.open_at(seen, Some(known), true).await
    }

    async fn append(&self, epoch: Epoch, append: &Append) -> Result<Appended, StoreError> {
        let arguments = self.append_arguments(epoch, append);
        let mut reply = self.append_once(&arguments).await?;
        // Whoever was refused for a queue that it did not name has it now. Should another have come meanwhile, it comes again.
        if let Ok([cdns]) = wire::answer(&reply, "queues") {
            self.hear(cdns)?;
            reply = self.append_once(&arguments).await?;
        }
        match wire::answer(&reply, "swept") {
            Ok(_) => Ok(Appended::Swept),
            Err(_) => self.appended(epoch, append, wire::answer(&reply, "at")?),
        }
    }

    async fn read(&self, epoch: Epoch, after: Position, block: Duration) -> Result<Vec<Record>, StoreError> {
        let (tip, reply) = self.follow(epoch, after, block).await?;
        let mut records = wire::read_reply(&reply, epoch).map_err(|bad| self.bad(epoch, bad))?;
        // The guard named a record that the stream does not have: somebody took it out.
        if records.is_empty() && tip > after {
            return Err(StoreError::Moved);
        }
        if self.wants_names() {
            self.name(&mut records).await?;
        }
        Ok(records)
    }

    async fn table(&self, epoch: Epoch, mode: Mode, chunk: usize) -> Result<Vec<Position>, StoreError> {
        if chunk >= TABLE_SLOTS / TABLE_CHUNK {
            return Ok(Vec::new());
        }
        let first = chunk * TABLE_CHUNK * 8;
        let arguments = [
            wire::epoch_bytes(epoch),
            (wire::mode_index(mode) + 1).to_string().into_bytes(),
            first.to_string().into_bytes(),
            (first + TABLE_CHUNK * 8 - 1).to_string().into_bytes(),
        ];
        let reply = self.call(Op::Table, &self.scripts.table, &arguments, self.settings.patience).await?;
        match wire::answer(&reply, "ok")? {
            [slots] => Ok(wire::slots(slots)?),
            _ => Err(Malformed.into()),
        }
    }

    async fn beat(
        &self,
        epoch: Epoch,
        node: NodeId,
        applied: Position,
        patience: Duration,
    ) -> Result<Beat, StoreError> {
        let arguments = [
            wire::epoch_bytes(epoch),
            node.0.to_be_bytes().to_vec(),
            wire::id_of(applied).into_bytes(),
            NODE_TIMEOUT.as_millis().to_string().into_bytes(),
            MAX_DUE.to_string().into_bytes(),
            patience.as_millis().to_string().into_bytes(),
            self.own_queues(),
        ];
        let reply = self.call(Op::Beat, &self.scripts.beat, &arguments, self.settings.patience).await?;
        let [fields @ .., cdns, deserted, forgotten] = wire::answer(&reply, "ok")? else {
            return Err(Malformed.into());
        };
        self.hear(cdns)?;
        self.hear_of_absent(deserted, forgotten)?;
        Ok(wire::beat(fields)?)
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        let arguments = [node.0.to_be_bytes().to_vec()];
        let reply = self.call(Op::Beat, &self.scripts.leave, &arguments, self.settings.patience).await?;
        wire::answer(&reply, "ok").map(drop)
    }

    async fn intend(&self, epoch: Epoch, intent: &Intent) -> Result<(), StoreError> {
        // Longer than anybody has to wait, and few enough digits for the server.
        let within = intent.within.as_millis().min(u128::from(u32::MAX));
        let arguments = [
            wire::epoch_bytes(epoch),
            intent.id.0.to_be_bytes().to_vec(),
            intent.node.map(|node| node.0.to_be_bytes().to_vec()).unwrap_or_default(),
            wire::purges_bytes(&intent.purges),
            within.to_string().into_bytes(),
            MOST_INTENTS.to_string().into_bytes(),
            intent.names.as_bytes().to_vec(),
        ];
        let reply = self.call(Op::Intend, &self.scripts.intend, &arguments, self.settings.timeout).await?;
        wire::answer(&reply, "ok").map(drop)
    }

    fn wants_names(&self) -> bool {
        self.keys.load().have_queues()
    }

    async fn withdraw(&self, epoch: Epoch, intent: IntentId) -> Result<(), StoreError> {
        let arguments = [wire::epoch_bytes(epoch), intent.0.to_be_bytes().to_vec()];
        let reply = self.call(Op::Intend, &self.scripts.withdraw, &arguments, self.settings.patience).await?;
        wire::answer(&reply, "ok").map(drop)
    }
}
