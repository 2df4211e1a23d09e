//! The queues for CDNs in Redis: a stream for each, in the slot of the invalidation log.
//!
//! | key | type | content |
//! | --- | --- | --- |
//! | `{namespace}:log:cdn:NAME` | stream | a job, its ID its position or a later one: `position`, `names`, `at` in milliseconds; `from` and `why` where it stands for others that are gone. Its group `larder` shows which were handed out, and to whom |
//! | `{namespace}:log:cdn:NAME:lead` | string | the node that delivers; it expires |
//! | `{namespace}:log:cdn:NAME:dead` | stream | a dead letter: `job` (its ID), `buried`, `reason`, then what the job had |
//! | `{namespace}:log:cdn:NAME:told` | sorted set | the positions of the last jobs that the CDN has taken once at least, by their milliseconds; it expires |
//!
//! Jobs come in by the script that appends to the log. What is done here is a script too, and none of them looks at the head's
//! epoch: a queue outlives the terms of its log, and the log itself. Jobs are handed out to the holder of the lead alone, in
//! the step that looks who that is; what was handed out stays until it is settled, so a new holder finds it. To settle or to
//! bury twice, or after the lead was lost, does no harm.
//!
//! A queue that is too long, or that holds what cannot be handled, becomes one job that purges everything. One that is gone
//! although the log knows of it does too, since nobody can tell what waited in it.

mod jobs;
mod script;

use self::jobs::Lost;
use self::script::Scripts;
use super::forms::{Dialect, Forms};
use super::log::{key, queue};
use super::spare::Spare;
use super::wire::{Malformed, array, bytes, id_after, id_of};
use super::{Link, LinkError, Op};
use crate::cdn::{Backlog, Job, JobId, Outbox, OutboxError, Wait};
use crate::fleet::NodeId;
use crate::invalidation::Position;
use async_trait::async_trait;
use redis::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Dead letters kept for each CDN: enough to see what is wrong, and some 300 KiB. Beyond it the newest names everything, in place of the
/// oldest.
const MOST_DEAD: usize = 1000;

/// Of these, the newest that a backlog shows.
const SHOWN_DEAD: usize = 10;

/// Fields of a job that go into its dead letter. Scripts write five; the names and values of so many fit on Lua's stack.
const MOST_FIELDS: usize = 64;

/// Jobs that one script settles or buries: some milliseconds of the server's time.
const AT_ONCE: usize = 1000;

/// Where the queues are, and how long their server may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOutboxSettings {
    /// That of the log.
    pub namespace: String,
    /// The CDNs, by their names, which hold no colon; as the log has them.
    pub cdns: Vec<Arc<str>>,
    /// For one call, and to connect; a wait for jobs may take this much longer than it is to block.
    pub patience: Duration,
    /// How long everything in the place of a queue that is lost waits before it is handed out; [`LOST_WAITS`] unless nobody
    /// follows the log.
    pub lost_waits: Duration,
}

/// How long a purge of everything waits where it stands for a lost queue. Nodes notice within about a second that their log is gone,
/// and append again what they know; who is cut off counts nothing as fresh by then, as `blind_limit` is by default.
pub const LOST_WAITS: Duration = Duration::from_secs(5);

/// Something that an operator should know of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxEvent {
    /// The queue was lost, and its CDN is told everything.
    Lost,
    /// It grew too long, and its CDN is told everything.
    Overflow,
    /// Somebody put in what leaves no room for jobs, and its CDN is told everything.
    Foreign,
    /// A job could not be read, and is delivered as a purge of everything.
    Unreadable,
    /// A dead letter gave way to one that purges everything.
    Dropped,
}

impl OutboxEvent {
    /// All of them.
    pub const EACH: [Self; 5] = [Self::Lost, Self::Overflow, Self::Foreign, Self::Unreadable, Self::Dropped];

    /// The word, for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "queue_lost",
            Self::Overflow => "queue_overflow",
            Self::Foreign => "queue_foreign",
            Self::Unreadable => "job_unreadable",
            Self::Dropped => "dead_letter_dropped",
        }
    }
}

/// Told of what should not happen to queues; `observe` turns it into metrics. It is logged in any case.
pub trait OutboxObserver: Send + Sync + 'static {
    /// It happened to the queue of a CDN, `count` times.
    fn event(&self, cdn: &str, event: OutboxEvent, count: u64);
}

impl OutboxObserver for () {
    fn event(&self, _cdn: &str, _event: OutboxEvent, _count: u64) {}
}

/// The queues, as one node uses them.
pub struct RedisOutbox {
    link: Arc<Link>,
    patience: Duration,
    lost_waits: Duration,
    node: String,
    observer: Arc<dyn OutboxObserver>,
    queues: Vec<Queue>,
    scripts: Scripts,
    dialect: Dialect,
}

/// The queue of one CDN.
struct Queue {
    cdn: Arc<str>,
    /// As the scripts take them: the queue, its lead, its dead letters, the head of the log, what was told.
    keys: [String; 5],
    /// The connection that waits for jobs.
    waiting: Spare,
    reading: Mutex<Reading>,
}

/// How far this node has come in handing out.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    /// The last job that was given to who asked.
    given: Position,
    /// The last one of which operators were told why it says everything: it is read again by every look at what was handed out.
    told: Option<JobId>,
}

impl Queue {
    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn given(&self, jobs: &[Job]) {
        if let Some(job) = jobs.last() {
            self.reading().given = Position::from_u64(job.id.0);
        }
    }
}

impl RedisOutbox {
    /// Connects when it is first used. `link` leads to the Redis of the log, and `node` is the name of this node there.
    pub fn new(
        link: Arc<Link>,
        settings: RedisOutboxSettings,
        node: NodeId,
        observer: Arc<dyn OutboxObserver>,
    ) -> Self {
        let RedisOutboxSettings { namespace, cdns, patience, lost_waits } = settings;
        let queue_of = |cdn: Arc<str>| {
            let name = queue(&namespace, &cdn);
            let [lead, dead, told] = ["lead", "dead", "told"].map(|what| format!("{name}:{what}"));
            let keys = [name, lead, dead, key(&namespace, "head"), told];
            Queue { cdn, keys, waiting: Spare::default(), reading: Mutex::default() }
        };
        let queues = cdns.into_iter().map(queue_of).collect();
        let (scripts, dialect) = (Scripts::new(), Dialect::default());
        Self { link, patience, lost_waits, node: node.to_string(), observer, queues, scripts, dialect }
    }

    fn queue(&self, cdn: &str) -> Result<&Queue, OutboxError> {
        let found = self.queues.iter().find(|queue| &*queue.cdn == cdn);
        found.ok_or_else(|| OutboxError(format!("there is no CDN `{cdn}`")))
    }

    /// What a script answers behind its first word, and that word.
    async fn call(
        &self,
        op: Op,
        script: &Forms,
        queue: &Queue,
        arguments: &[Vec<u8>],
    ) -> Result<(Word, Vec<Value>), OutboxError> {
        let keys = queue.keys.each_ref().map(|key| key.as_bytes());
        let reply = self.dialect.call(&self.link, op, script, &keys, arguments, self.patience).await;
        let Value::Array(mut values) = reply.map_err(|error| failed(&error))? else {
            return Err(Malformed.into());
        };
        let word = match values.first().map(bytes) {
            Some(Ok(b"ok")) => Word::Ok,
            Some(Ok(b"another")) => Word::Another,
            Some(Ok(b"outstanding")) => Word::Outstanding,
            Some(Ok(b"delivered")) => Word::Delivered,
            Some(Ok(b"dead")) => Word::Dead,
            _ => return Err(Malformed.into()),
        };
        values.remove(0);
        Ok((word, values))
    }

    /// The same, of one that can only have been done.
    async fn done(
        &self,
        op: Op,
        script: &Forms,
        queue: &Queue,
        arguments: &[Vec<u8>],
    ) -> Result<Vec<Value>, OutboxError> {
        match self.call(op, script, queue, arguments).await? {
            (Word::Ok, values) => Ok(values),
            _ => Err(Malformed.into()),
        }
    }

    /// Does the same to each of `jobs`.
    async fn each(&self, script: &Forms, queue: &Queue, jobs: &[JobId]) -> Result<(), OutboxError> {
        for jobs in jobs.chunks(AT_ONCE) {
            let arguments: Vec<_> = jobs.iter().map(id_text).collect();
            self.done(Op::Jobs, script, queue, &arguments).await?;
        }
        Ok(())
    }

    /// Hands out what waits; returns it with the last ID of the queue.
    async fn take(&self, queue: &Queue, limit: usize) -> Result<(Vec<Job>, Vec<u8>), OutboxError> {
        let Reading { given, .. } = *queue.reading();
        let lost_waits = self.lost_waits.as_millis().to_string().into_bytes();
        let arguments =
            [self.node.clone().into_bytes(), number(limit), id_after(given).into_bytes(), lost_waits];
        let (word, values) = self.call(Op::Jobs, &self.scripts.take, queue, &arguments).await?;
        let ([last, entries], Word::Ok) = (values.as_slice(), word) else {
            return Err(OutboxError("another node has the lead".to_owned()));
        };
        let Some(jobs) = self.jobs(queue, array(entries)?).await? else {
            return Ok((Vec::new(), bytes(last)?.to_vec()));
        };
        queue.given(&jobs);
        Ok((jobs, bytes(last)?.to_vec()))
    }

    /// Reads jobs. `None`: one of them has no name that fits, so that everything took the place of all.
    async fn jobs(&self, queue: &Queue, entries: &[Value]) -> Result<Option<Vec<Job>>, OutboxError> {
        let mut jobs = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some((job, lost)) = jobs::job(entry) else {
                self.done(Op::Jobs, &self.scripts.reset, queue, &[b"foreign".to_vec()]).await?;
                return Ok(None);
            };
            if let Some(lost) = lost {
                self.tell(queue, job.id, lost);
            }
            jobs.push(job);
        }
        Ok(Some(jobs))
    }

    fn tell(&self, queue: &Queue, job: JobId, lost: Lost) {
        let cdn = &queue.cdn;
        {
            let mut reading = queue.reading();
            if reading.told >= Some(job) {
                return;
            }
            reading.told = Some(job);
        }
        self.observer.event(cdn, lost.into(), 1);
        match lost {
            Lost::Unreadable => {
                tracing::error!(%cdn, %job, "a job cannot be read, and is delivered as a purge of everything");
            }
            Lost::Queue => {
                tracing::error!(%cdn, %job, "what waited in the queue is lost: the CDN is told everything");
            }
            Lost::Overflow => {
                tracing::error!(%cdn, %job, "the queue grew too long: the CDN is told everything in its place");
            }
            Lost::Foreign => {
                tracing::error!(%cdn, %job, "the queue held what no Larder put in: the CDN is told everything in its place");
            }
        }
    }

    /// Waits until something stands behind the entry with this ID. On a connection of its own, with a command that changes
    /// nothing: what a node that is frozen or gone is still waiting with takes no job away.
    async fn wait(&self, queue: &Queue, last: &[u8], block: Duration) -> Result<(), OutboxError> {
        let name = &queue.keys[0];
        let mut connection = match queue.waiting.take() {
            Some(connection) => connection,
            None => {
                let opened = self.link.dedicated(name.as_bytes(), self.patience).await;
                opened.map_err(|error| failed(&error))?
            }
        };
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(1).arg("BLOCK");
        // A block of 0 would have the server wait for ever.
        read.arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        read.arg("STREAMS").arg(name).arg(last);
        let limit = block.saturating_add(self.patience);
        let answer = connection.command::<Value>(Op::Await, limit, &read).await;
        answer.map_err(|error| failed(&error))?;
        queue.waiting.put(connection);
        Ok(())
    }
}

/// The first word of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Ok,
    Another,
    Outstanding,
    Delivered,
    Dead,
}

impl From<Malformed> for OutboxError {
    fn from(malformed: Malformed) -> Self {
        Self(malformed.to_string())
    }
}

fn failed(error: &LinkError) -> OutboxError {
    OutboxError(error.to_string())
}

fn number(number: usize) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn id_text(job: &JobId) -> Vec<u8> {
    id_of(Position::from_u64(job.0)).into_bytes()
}

#[async_trait]
impl Outbox for RedisOutbox {
    async fn lead(&self, cdn: &str, term: Duration) -> Result<bool, OutboxError> {
        // Few enough digits for the server, and a term of 0 it does not know.
        let millis = term.as_millis().clamp(1, u128::from(u32::MAX)).to_string();
        let arguments = [self.node.clone().into_bytes(), millis.into_bytes()];
        let (word, _) = self.call(Op::Lead, &self.scripts.lead, self.queue(cdn)?, &arguments).await?;
        Ok(word == Word::Ok)
    }

    async fn resign(&self, cdn: &str) -> Result<(), OutboxError> {
        let arguments = [self.node.clone().into_bytes()];
        self.done(Op::Lead, &self.scripts.resign, self.queue(cdn)?, &arguments).await.map(drop)
    }

    async fn recover(&self, cdn: &str, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, OutboxError> {
        let queue = self.queue(cdn)?;
        if after.is_none() {
            queue.reading().given = Position::START;
        }
        let from = after.map_or_else(|| "-".to_owned(), |after| id_after(Position::from_u64(after.0)));
        let arguments = [from.into_bytes(), number(limit)];
        let values = self.done(Op::Jobs, &self.scripts.recover, queue, &arguments).await?;
        let [entries] = values.as_slice() else { return Err(Malformed.into()) };
        let Some(jobs) = self.jobs(queue, array(entries)?).await? else { return Ok(Vec::new()) };
        queue.given(&jobs);
        Ok(jobs)
    }

    async fn next(&self, cdn: &str, limit: usize, block: Duration) -> Result<Vec<Job>, OutboxError> {
        let queue = self.queue(cdn)?;
        let limit = limit.max(1);
        let (jobs, last) = self.take(queue, limit).await?;
        if !jobs.is_empty() || block.is_zero() {
            return Ok(jobs);
        }
        self.wait(queue, &last, block).await?;
        Ok(self.take(queue, limit).await?.0)
    }

    async fn told(&self, cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        self.each(&self.scripts.told, self.queue(cdn)?, jobs).await
    }

    async fn settle(&self, cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        self.each(&self.scripts.settle, self.queue(cdn)?, jobs).await
    }

    async fn bury(&self, cdn: &str, jobs: &[JobId], reason: &str) -> Result<(), OutboxError> {
        let queue = self.queue(cdn)?;
        for jobs in jobs.chunks(AT_ONCE) {
            let mut arguments = vec![reason.as_bytes().to_vec(), number(MOST_DEAD), number(2 * MOST_FIELDS)];
            arguments.extend(jobs.iter().map(id_text));
            let values = self.done(Op::Jobs, &self.scripts.bury, queue, &arguments).await?;
            let [Value::Int(dropped), Value::Int(known)] = *values.as_slice() else {
                return Err(Malformed.into());
            };
            if dropped > 0 {
                // Once: until they are queued again there will be no room.
                if known == 0 {
                    tracing::error!(%cdn, "there are too many dead letters: one that purges everything takes the place of the oldest");
                }
                self.observer.event(cdn, OutboxEvent::Dropped, dropped.unsigned_abs());
            }
        }
        Ok(())
    }

    async fn retry(&self, cdn: &str) -> Result<u64, OutboxError> {
        let arguments = [number(jobs::LETTER_FIELDS)];
        let values = self.done(Op::Jobs, &self.scripts.retry, self.queue(cdn)?, &arguments).await?;
        match *values.as_slice() {
            [Value::Int(letters)] => Ok(letters.unsigned_abs()),
            _ => Err(Malformed.into()),
        }
    }

    async fn backlog(&self, cdn: &str) -> Result<Backlog, OutboxError> {
        let arguments = [number(SHOWN_DEAD)];
        let values = self.done(Op::Jobs, &self.scripts.backlog, self.queue(cdn)?, &arguments).await?;
        let [Value::Int(waiting), oldest, Value::Int(dead), letters] = values.as_slice() else {
            return Err(Malformed.into());
        };
        let oldest = array(oldest)?.first().and_then(jobs::job);
        Ok(Backlog {
            waiting: waiting.unsigned_abs(),
            oldest: oldest.map(|(job, _)| job.at),
            dead: dead.unsigned_abs(),
            last_dead: array(letters)?.iter().filter_map(jobs::letter).collect(),
        })
    }

    async fn standing(&self, cdn: &str, position: Position) -> Result<Wait, OutboxError> {
        let arguments = [id_of(position).into_bytes()];
        let queue = self.queue(cdn)?;
        let (word, values) = self.call(Op::Jobs, &self.scripts.standing, queue, &arguments).await?;
        match (word, values.as_slice()) {
            (Word::Outstanding, _) => Ok(Wait::Outstanding),
            (Word::Delivered, _) => Ok(Wait::Delivered),
            (Word::Dead, [reason]) => Ok(Wait::Dead(String::from_utf8_lossy(bytes(reason)?).into_owned())),
            _ => Err(Malformed.into()),
        }
    }
}
