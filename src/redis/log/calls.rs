//! Calling a script: over the shared connection, or over one of its own.

use super::RedisLog;
use crate::fleet::StoreError;
use crate::redis::forms::Forms;
use crate::redis::{Dedicated, LinkError, Op};
use redis::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The part of what is left of its time that an append waits for replicas: the rest is for the answer's way back, as it says
/// how many have the record.
const WAITED: f64 = 0.8;

impl RedisLog {
    /// Over the shared connection.
    pub(super) async fn call(
        &self,
        op: Op,
        forms: &Forms,
        arguments: &[Vec<u8>],
        within: Duration,
    ) -> Result<Value, StoreError> {
        let keys = self.keys.load_full();
        let reply = self.dialect.call(&self.link, op, forms, &keys.all(), arguments, within).await;
        reply.map_err(|error| failed(&error))
    }

    /// Appends over a connection of its own, which `WAIT` then holds up until enough replicas have what was written.
    pub(super) async fn append_and_wait(&self, arguments: &[Vec<u8>]) -> Result<Value, StoreError> {
        let deadline = Instant::now() + self.settings.patience;
        let mut connection = match self.appending.take() {
            Some(connection) => connection,
            None => self.dedicated(deadline).await?,
        };
        let reply =
            self.call_on(&mut connection, Op::Append, &self.scripts.append, arguments, deadline).await?;
        let mut have = usize::MAX;
        if super::wire::wrote(&reply) {
            // A time-out of 0 would have the server wait for ever.
            let time = left(deadline).mul_f64(WAITED).as_millis().max(1);
            let mut wait = redis::cmd("WAIT");
            wait.arg(self.settings.min_replicas).arg(time.to_string());
            let answer = connection.command(Op::Replicas, left(deadline), &wait).await;
            have = answer.map_err(|error| failed(&error))?;
        }
        if have < self.settings.min_replicas {
            return Err(StoreError::Replicas(have));
        }
        // One that refused may be to a server that serves something else by now.
        if have != usize::MAX {
            self.appending.put(connection);
        }
        Ok(reply)
    }

    /// Over this connection.
    pub(super) async fn call_on(
        &self,
        connection: &mut Dedicated,
        op: Op,
        forms: &Forms,
        arguments: &[Vec<u8>],
        deadline: Instant,
    ) -> Result<Value, StoreError> {
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let keys = self.keys.load_full();
        let keys = keys.all();
        let mut form = self.dialect.form(forms);
        loop {
            let mut answer = connection.command(op, left(deadline), &form.by_hash(&keys, &arguments)).await;
            if answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT")) {
                answer = connection.command(op, left(deadline), &form.by_code(&keys, &arguments)).await;
            }
            match answer {
                Ok(reply) => return Ok(reply),
                Err(error) => form = self.dialect.other(forms, form, &error).ok_or_else(|| failed(&error))?,
            }
        }
    }

    /// A connection of its own to the server of the log.
    pub(super) async fn dedicated(&self, deadline: Instant) -> Result<Dedicated, StoreError> {
        let keys = self.keys.load_full();
        self.link.dedicated(keys.stream().as_bytes(), left(deadline)).await.map_err(|error| failed(&error))
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// What an error of the server or of the connection means. A key that holds something of another type was not left so by a
/// script: the log is not the one that is followed any more.
pub(super) fn failed(error: &LinkError) -> StoreError {
    match error.code() {
        Some("WRONGTYPE") => StoreError::Moved,
        _ => StoreError::Unavailable(error.to_string()),
    }
}
