//! The time between requests.

use super::server::Server;
use super::wire::Wire;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Idle connections are looked at so often, rather than each request setting a timer of its own.
const TICK: Duration = Duration::from_secs(25);

/// A connection that was idle at this many looks in a row is closed: after 75 to 100 seconds.
///
/// Load balancers in front commonly keep idle connections for 60 seconds. Being the more patient one leaves the closing to
/// them, so no request meets a connection that is being closed.
const TICKS: u8 = 4;

/// How long a connection stays open for a request that may just be on its way when draining begins.
///
/// About the longest round trip on a continent. A client that sends within it is answered, with `Connection: close`.
const DRAIN_LINGER: Duration = Duration::from_millis(100);

/// How a wait for the next request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// There are bytes of it.
    Received,
    /// The client left, or was idle for too long, or Larder is draining.
    Over,
}

/// The patience that a connection has left.
pub(super) struct Idle {
    tick: Pin<Box<Sleep>>,
}

impl Idle {
    /// All of it.
    pub(super) fn new() -> Self {
        Self { tick: Box::pin(sleep(TICK)) }
    }

    /// Waits until something of a request has been received.
    pub(super) async fn first_bytes(&mut self, wire: &mut Wire, server: &Server) -> Waited {
        if !wire.received().is_empty() {
            return Waited::Received;
        }
        let mut ticks = 0;
        let mut lingering = false;
        loop {
            tokio::select! {
                biased;
                received = wire.receive() => return match received {
                    Ok(1..) => Waited::Received,
                    Ok(0) | Err(_) => Waited::Over,
                },
                () = server.draining(), if !lingering => {
                    lingering = true;
                    self.tick.as_mut().reset(Instant::now() + DRAIN_LINGER);
                }
                () = self.tick.as_mut() => {
                    ticks += 1;
                    if lingering || ticks == TICKS {
                        return Waited::Over;
                    }
                    self.tick.as_mut().reset(Instant::now() + TICK);
                }
            }
        }
    }
}
