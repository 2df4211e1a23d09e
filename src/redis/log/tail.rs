//! Following the stream, on a connection of its own.

use super::RedisLog;
use super::calls::failed;
use super::wire::{self, Malformed};
use crate::fleet::{MAX_READ, Record, StoreError};
use crate::invalidation::{Epoch, Position};
use crate::redis::{Dedicated, Op};
use redis::{Cmd, Value};
use std::time::Duration;
use tokio::time::Instant;

impl RedisLog {
    /// Waits for records after `after`. Returns where the newest one stood when it began to wait, and the server's answer.
    pub(super) async fn follow(
        &self,
        epoch: Epoch,
        after: Position,
        block: Duration,
    ) -> Result<(Position, Value), StoreError> {
        let mut connection = match self.tail.take() {
            Some(connection) => connection,
            None => self.tail_connection(epoch).await?,
        };
        let followed = self.guarded_read(&mut connection, epoch, after, block).await?;
        self.tail.put(connection);
        Ok(followed)
    }

    /// Gives records their names. They are asked for after the records, as a read that blocks on two streams ends with what the
    /// first of them brings.
    pub(super) async fn name(&self, records: &mut [Record]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        let mut range = redis::cmd("XRANGE");
        range.arg(self.keys.load().names()).arg(wire::id_of(first.position)).arg(wire::id_of(last.position));
        let names = self.link.command(Op::Read, self.settings.patience, &range).await;
        wire::name(records, &names.map_err(|error| failed(&error))?);
        Ok(())
    }

    /// Runs the guard once, so that its hash is known to the server, and whether it takes flags is known here.
    async fn tail_connection(&self, epoch: Epoch) -> Result<Dedicated, StoreError> {
        let deadline = Instant::now() + self.settings.patience;
        let mut connection = self.dedicated(deadline).await?;
        let guard = &self.scripts.follow;
        let arguments = [wire::epoch_bytes(epoch)];
        let reply = self.call_on(&mut connection, Op::Guard, guard, &arguments, deadline).await?;
        wire::answer(&reply, "ok")?;
        Ok(connection)
    }

    /// The guard and the read in one go, in this order: that nothing came is worth nothing if it came from a server that
    /// does not hold the log any more, so every read is preceded by a look at the head. When the guard refuses, nobody
    /// waits for the read; the connection ends with the error.
    async fn guarded_read(
        &self,
        connection: &mut Dedicated,
        epoch: Epoch,
        after: Position,
        block: Duration,
    ) -> Result<(Position, Value), StoreError> {
        let patience = self.settings.patience;
        let keys = self.keys.load_full();
        let guard =
            self.dialect.form(&self.scripts.follow).by_hash(&keys.all(), &[&wire::epoch_bytes(epoch)]);
        let read = self.read_command(after, block);
        let mut second = connection.clone();
        tokio::try_join!(
            biased;
            async {
                let reply = connection.command::<Value>(Op::Guard, patience, &guard).await;
                match wire::answer(&reply.map_err(|error| failed(&error))?, "ok")? {
                    [tip] => Ok(wire::position(tip)?),
                    _ => Err(Malformed.into()),
                }
            },
            async {
                let reply = second.command::<Value>(Op::Read, block.saturating_add(patience), &read).await;
                reply.map_err(|error| failed(&error))
            },
        )
    }

    fn read_command(&self, after: Position, block: Duration) -> Cmd {
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(MAX_READ);
        if block > Duration::ZERO {
            // A block of 0 would have the server wait for ever.
            read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1));
        }
        read.arg("STREAMS").arg(self.keys.load().stream()).arg(wire::id_of(after));
        read
    }
}
