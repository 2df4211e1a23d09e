//! The CDNs that nodes of the log have, as this node hears of them: others than its own, and those that nobody has any more.

use super::RedisLog;
use super::keys::Keys;
use crate::redis::wire::{Malformed, array, bytes};
use redis::Value;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A CDN that purges are queued for although no node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deserted {
    /// Its name.
    pub cdn: String,
    /// How long ago a node that has it was last heard of, in whole seconds.
    pub silent: Duration,
    /// Purges in its queue.
    pub waiting: u64,
}

impl RedisLog {
    /// CDNs that only nodes had that are gone for minutes, as the last heartbeat found them. When that is a day they are forgotten.
    pub fn deserted(&self) -> Vec<Deserted> {
        self.deserted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of the CDNs that nodes of the log have.
    pub(super) fn hear(&self, cdns: &Value) -> Result<(), Malformed> {
        let is_own = |name: &[u8]| self.settings.cdns.iter().any(|own| own.as_bytes() == name);
        let names = array(cdns)?.iter().map(|name| bytes(name).map(<[u8]>::to_vec));
        let mut others = names.collect::<Result<Vec<_>, _>>()?;
        others.retain(|name| !is_own(name));
        if self.keys.load().others() != others {
            let shown: Vec<_> = others.iter().map(|name| String::from_utf8_lossy(name)).collect();
            tracing::info!(cdns = ?shown, "CDNs that only other nodes have: purges are queued for them");
            self.keys.store(Arc::new(Keys::new(&self.settings.namespace, &self.settings.cdns, others)));
        }
        Ok(())
    }

    /// Takes note of those that no node has, and of those that were just forgotten.
    pub(super) fn hear_of_absent(&self, deserted: &Value, forgotten: &Value) -> Result<(), Malformed> {
        let deserted = array(deserted)?.iter().map(deserted_in).collect::<Result<Vec<_>, _>>()?;
        let before = {
            let mut known = self.deserted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *known, deserted.clone())
        };
        for Deserted { cdn, waiting, .. } in &deserted {
            if !before.iter().any(|known| known.cdn == *cdn) {
                tracing::warn!(
                    %cdn, waiting,
                    "no node has this CDN any more: purges are queued for it until nobody has had it for a day"
                );
            }
        }
        for cdn in array(forgotten)? {
            let cdn = String::from_utf8_lossy(bytes(cdn)?);
            tracing::error!(
                %cdn,
                "no node has had this CDN for a day: it is told nothing any more, and everything if one has it again"
            );
        }
        Ok(())
    }

    /// The last argument of scripts that have to do with queues.
    pub(super) fn own_queues(&self) -> Vec<u8> {
        self.settings.cdns.len().to_string().into_bytes()
    }
}

fn deserted_in(value: &Value) -> Result<Deserted, Malformed> {
    let [cdn, Value::Int(silent), Value::Int(waiting)] = array(value)? else { return Err(Malformed) };
    Ok(Deserted {
        cdn: String::from_utf8_lossy(bytes(cdn)?).into_owned(),
        silent: Duration::from_secs(silent.unsigned_abs()),
        waiting: waiting.unsigned_abs(),
    })
}
