//! One connection of a consumer.

use super::entries::{self, Entry, Malformed, Unsettled};
use super::pending::{Held, Portion};
use super::stream::RedisStream;
use super::why;
use crate::events::{Message, Source};
use crate::redis::{Dedicated, LinkError, Op};
use redis::{Cmd, Value, cmd};
use std::fmt;
use std::time::Duration;

/// For a command that does not block. Nobody waits for it, and a server that is slow is not helped by another connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Entries read at once.
const MAX_READ: usize = 128;

/// Entries named in one command.
const MAX_NAMED: usize = 1000;

/// Entries looked at for those of consumers that died. Theirs are among the oldest: others settle within milliseconds.
const MAX_LOOKED_AT: usize = 1000;

/// Rounds of taking over at once; the rest waits for the next time.
const MAX_ROUNDS: usize = 32;

/// An entry that was handed out this often and never settled has something to do with the death of those who took it.
const MAX_TIMES: u64 = 16;

/// Why a connection is given up.
#[derive(Debug)]
pub(super) enum Broken {
    Link(LinkError),
    Malformed,
}

impl Broken {
    /// In words that show nothing of the inside.
    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::Link(error) => why(error),
            Self::Malformed => "Redis answers in an unknown form",
        }
    }
}

impl From<LinkError> for Broken {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<Malformed> for Broken {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(error) => error.fmt(f),
            Self::Malformed => f.write_str(self.why()),
        }
    }
}

/// Reads and settles on one connection. After an error another one takes its place.
pub(super) struct Reader<'s> {
    stream: &'s RedisStream,
    connection: Dedicated,
    held: Held,
}

impl<'s> Reader<'s> {
    pub(super) fn new(stream: &'s RedisStream, connection: Dedicated) -> Self {
        Self { stream, connection, held: Held::default() }
    }

    /// Makes the group where there is none, from the beginning of the stream on. One that was destroyed had entries to settle
    /// that nobody knows any more, so it begins anew as well.
    pub(super) async fn join(&mut self) -> Result<(), Broken> {
        let settings = &self.stream.settings;
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&settings.key).arg(&settings.group).arg("0").arg("MKSTREAM");
        match self.ask(&create).await {
            // Who may not make one may read one that is there.
            Err(Broken::Link(error)) if matches!(error.code(), Some("BUSYGROUP" | "NOPERM")) => Ok(()),
            Err(broken) => Err(broken),
            Ok(_) => {
                tracing::info!(stream = settings.key, group = settings.group, "a consumer group begins");
                Ok(())
            }
        }
    }

    /// Takes up what was handed to this consumer on an earlier connection and is not settled.
    pub(super) async fn resume(&mut self) -> Result<(), Broken> {
        let mut after = "0".to_owned();
        loop {
            let entries = self.read(&after, None).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            after.clone_from(&last.id);
            self.take(entries).await?;
        }
    }

    /// Waits for entries that no consumer was handed.
    pub(super) async fn read_new(&mut self, block: Duration) -> Result<Vec<Entry>, Broken> {
        self.read(">", Some(block)).await
    }

    /// Purges for entries, and settles them when the log has taken that.
    pub(super) async fn take(&mut self, entries: Vec<Entry>) -> Result<(), Broken> {
        let mut portion = Portion::default();
        for Entry { id, message } in entries {
            let read = |message: &Message| self.stream.intake.read(Source::Stream, message);
            portion.add(id, message.as_ref().map(read).unwrap_or_default());
            if portion.is_full() {
                self.purge(std::mem::take(&mut portion)).await?;
            }
        }
        self.purge(portion).await
    }

    async fn purge(&mut self, mut portion: Portion) -> Result<(), Broken> {
        if portion.ids.is_empty() {
            return Ok(());
        }
        let batch = portion.batch.clone();
        if batch.is_empty() && portion.whole == 0 {
            return self.settle(portion.ids).await;
        }
        match self.stream.intake.purge(Source::Stream, batch, portion.whole, false).await {
            Ok(_) => {
                portion.ids.extend(self.held.release());
                self.settle(portion.ids).await
            }
            Err(error) => {
                tracing::debug!(%error, "entries of the stream wait for the log");
                self.held.add(portion);
                Ok(())
            }
        }
    }

    /// Whether entries wait for the log.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Sees whether the log has taken what waits for it: it has if it takes the last of it once more.
    pub(super) async fn probe(&mut self) -> Result<(), Broken> {
        let last = self.held.last().cloned().into_iter().collect();
        if self.stream.intake.purge(Source::Stream, last, 0, false).await.is_err() {
            return Ok(());
        }
        let ids = self.held.release().collect();
        self.settle(ids).await
    }

    /// What is done now and then: entries that wait for the log are kept from being taken over, or those of consumers that
    /// died are; and such consumers are forgotten.
    pub(super) async fn chores(&mut self) -> Result<(), Broken> {
        if self.holds() {
            let ids: Vec<_> = self.held.ids().cloned().collect();
            // Not counted as handing it out again, with this word.
            return self.each(&ids, |claim| _ = claim.arg("JUSTID"), Duration::ZERO).await.map(drop);
        }
        for _ in 0..MAX_ROUNDS {
            if self.take_over().await? < MAX_READ {
                break;
            }
        }
        self.forget().await
    }

    /// Takes over what was not settled for too long, as much as is read at once; says how much.
    async fn take_over(&mut self) -> Result<usize, Broken> {
        let settings = &self.stream.settings;
        let mut look = cmd("XPENDING");
        look.arg(&settings.key).arg(&settings.group).arg("-").arg("+").arg(MAX_LOOKED_AT);
        let after = u64::try_from(settings.claim_after.as_millis()).unwrap_or(u64::MAX);
        let mut late = entries::unsettled(&self.ask(&look).await?)?;
        late.retain(|entry| entry.idle >= after);
        late.truncate(MAX_READ);
        let count = late.len();
        let (hopeless, late): (Vec<_>, Vec<_>) = late.into_iter().partition(|entry| entry.times >= MAX_TIMES);
        self.give_up(hopeless).await?;
        let ids: Vec<_> = late.into_iter().map(|entry| entry.id).collect();
        let claim_after = self.stream.settings.claim_after;
        for answer in self.each(&ids, |_| (), claim_after).await? {
            self.take(entries::entries(&answer)?).await?;
        }
        Ok(count)
    }

    /// Settles entries without purging for them, and keeps them as letters. Whoever is the first to claim them does.
    async fn give_up(&mut self, hopeless: Vec<Unsettled>) -> Result<(), Broken> {
        for Unsettled { id, times, .. } in hopeless {
            let claim_after = self.stream.settings.claim_after;
            let claimed =
                self.each(std::slice::from_ref(&id), |claim| _ = claim.arg("JUSTID"), claim_after).await?;
            if claimed.iter().map(entries::ids).collect::<Result<Vec<_>, _>>()?.concat().is_empty() {
                continue;
            }
            let mut look = cmd("XRANGE");
            look.arg(&self.stream.settings.key).arg(&id).arg(&id);
            let entry = entries::entries(&self.ask(&look).await?)?.pop();
            let message = entry.and_then(|entry| entry.message).unwrap_or(Message::Fields(Vec::new()));
            self.stream.intake.give_up(Source::Stream, &message, times);
            self.settle(vec![id]).await?;
        }
        Ok(())
    }

    /// Removes consumers that are gone. It is of no weight, so who may not do it does without.
    async fn forget(&mut self) -> Result<(), Broken> {
        let settings = &self.stream.settings;
        let silence = settings.forget_after.as_millis().to_string();
        let arguments = [settings.group.as_bytes(), silence.as_bytes(), settings.consumer.as_bytes()];
        let keys = [settings.key.as_bytes()];
        let script = &self.stream.forget;
        let mut answer = self.ask(&script.by_hash(&keys, &arguments)).await;
        if matches!(&answer, Err(Broken::Link(error)) if error.code() == Some("NOSCRIPT")) {
            answer = self.ask(&script.by_code(&keys, &arguments)).await;
        }
        match answer {
            Err(Broken::Link(LinkError::Reply(error))) => {
                tracing::debug!(%error, "consumers that are gone are not removed");
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    async fn settle(&mut self, ids: Vec<String>) -> Result<(), Broken> {
        for ids in ids.chunks(MAX_NAMED) {
            let mut settle = cmd("XACK");
            settle.arg(&self.stream.settings.key).arg(&self.stream.settings.group).arg(ids);
            self.ask(&settle).await?;
        }
        Ok(())
    }

    /// Claims entries that were idle for `idle`, with what `more` adds; the answers, one for each thousand.
    async fn each(
        &mut self,
        ids: &[String],
        more: impl Fn(&mut Cmd),
        idle: Duration,
    ) -> Result<Vec<Value>, Broken> {
        let mut answers = Vec::new();
        for ids in ids.chunks(MAX_NAMED) {
            let settings = &self.stream.settings;
            let mut claim = cmd("XCLAIM");
            claim.arg(&settings.key).arg(&settings.group).arg(&settings.consumer);
            claim.arg(idle.as_millis().to_string()).arg(ids);
            more(&mut claim);
            answers.push(self.ask(&claim).await?);
        }
        Ok(answers)
    }

    async fn read(&mut self, after: &str, block: Option<Duration>) -> Result<Vec<Entry>, Broken> {
        let settings = &self.stream.settings;
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(&settings.group).arg(&settings.consumer).arg("COUNT").arg(MAX_READ);
        if let Some(block) = block {
            // A block of 0 would have the server wait for ever.
            read.arg("BLOCK").arg(block.as_millis().max(1).to_string());
        }
        read.arg("STREAMS").arg(&settings.key).arg(after);
        let limit = block.unwrap_or_default().saturating_add(PATIENCE);
        let reply = self.connection.command::<Value>(Op::Event, limit, &read).await?;
        Ok(entries::read_reply(&reply)?)
    }

    async fn ask(&mut self, command: &Cmd) -> Result<Value, Broken> {
        Ok(self.connection.command(Op::Settle, PATIENCE, command).await?)
    }
}
