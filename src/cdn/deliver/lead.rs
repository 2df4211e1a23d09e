//! The lead: which node delivers to a CDN.

use super::one::Delivery;
use crate::cdn::CdnState;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// How long the lead lasts unless it is renewed: how long deliveries stop when the node that has it dies.
const TERM: Duration = Duration::from_secs(10);

/// From one renewal to the next: two may fail before the lead is over.
const RENEW: Duration = Duration::from_secs(3);

/// Between two attempts to renew it while the queue cannot be reached.
const AGAIN: Duration = Duration::from_millis(300);

/// A lead counts for this much less here than there, so that it is given up before another has it.
const MARGIN: Duration = Duration::from_secs(1);

/// The end of a lead, by this node's own count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead(Instant);

impl Delivery {
    /// Waits until this node has the lead.
    pub(super) async fn win_lead(&self) -> Lead {
        loop {
            let asked = Instant::now();
            match self.ask(self.outbox.lead(&self.settings.name, TERM)).await {
                // An answer that took too long says nothing any more.
                Ok(true) if asked.elapsed() < TERM - MARGIN => return Lead(asked + TERM - MARGIN),
                Ok(true) => continue,
                Ok(false) => {
                    self.queue_answered();
                    self.set_state(CdnState::StandingBy);
                }
                Err(error) => self.queue_failed(&error, RENEW),
            }
            sleep(RENEW.mul_f64(0.5 + self.dice.share() / 2.0)).await;
        }
    }

    /// Renews the lead until it is lost: another has it, or it could not be renewed in time.
    pub(super) async fn keep_lead(&self, Lead(mut until): Lead) {
        loop {
            sleep(RENEW).await;
            loop {
                let asked = Instant::now();
                match timeout_at(until, self.outbox.lead(&self.settings.name, TERM)).await {
                    Ok(Ok(true)) => {
                        until = asked + TERM - MARGIN;
                        break;
                    }
                    Ok(Ok(false)) | Err(_) => return,
                    Ok(Err(error)) => {
                        self.queue_failed(&error, AGAIN);
                        sleep_until(until.min(Instant::now() + AGAIN)).await;
                        if Instant::now() >= until {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Gives the lead up, if this node has it.
    pub(super) async fn resign(&self) {
        if let Err(error) = self.outbox.resign(&self.settings.name).await {
            tracing::debug!(cdn = %self.settings.name, %error, "the lead could not be given up");
        }
    }
}
