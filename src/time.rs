//! Time as a value. Every decision takes `now` as an argument; this is the only file that reads a clock.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time: milliseconds since the Unix epoch.
///
/// Differences saturate at zero, so a reply "from the future" is as old as one of this moment.
// One more than the milliseconds, so that an `Option` of it is no larger: every stored reply holds one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// The Unix epoch.
    pub const ZERO: Self = Self(NonZeroU64::MIN);
    /// Later than every other timestamp.
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(millis))
    }

    /// `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0.get() - 1
    }

    /// Whole seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.as_millis() / 1000
    }

    /// The time that passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// This point plus `span`, at most [`Timestamp::MAX`].
    pub const fn plus(self, span: Duration) -> Self {
        let millis = span.as_millis();
        if millis > u64::MAX as u128 { Self::MAX } else { Self(self.0.saturating_add(millis as u64)) }
    }

    /// This point minus `span`, at least the epoch.
    pub const fn minus(self, span: Duration) -> Self {
        let millis = span.as_millis();
        if millis > u64::MAX as u128 {
            Self::ZERO
        } else {
            Self::from_millis(self.as_millis().saturating_sub(millis as u64))
        }
    }

    /// As the operating system's type, for formatting HTTP dates.
    pub fn as_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.as_millis())
    }

    /// From the operating system's type; the epoch if it lies before it.
    pub fn from_system_time(time: SystemTime) -> Self {
        Self::from_millis(time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64))
    }
}

impl Default for Timestamp {
    /// The Unix epoch.
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.as_millis()).finish()
    }
}

/// A source of [`Timestamp`]s. The program has one; a simulation brings its own.
pub trait Clock: Send + Sync + 'static {
    /// The time now. Never runs backwards.
    fn now(&self) -> Timestamp;
}

/// The wall clock as it stood when the program started, moved on by the monotonic clock.
///
/// A step of the wall clock (NTP, an operator) therefore neither ages nor revives a stored reply. Under tokio's
/// paused time it follows the paused clock, so the same type serves the simulator.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Timestamp,
    origin: tokio::time::Instant,
}

impl SystemClock {
    /// A clock anchored to the wall clock of this moment.
    pub fn new() -> Self {
        Self::anchored_at(Timestamp::from_system_time(SystemTime::now()))
    }

    /// A clock that shows `started` now.
    pub fn anchored_at(started: Timestamp) -> Self {
        Self { started, origin: tokio::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.started.plus(self.origin.elapsed())
    }
}

/// Measures how long something takes, finer than [`Timestamp`]s tell. Follows tokio's paused time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(tokio::time::Instant);

impl Stopwatch {
    /// Started now.
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// The time since it was started.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_saturate() {
        let early = Timestamp::from_secs(10);
        let late = Timestamp::from_secs(12);
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(early.minus(Duration::MAX), Timestamp::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time() {
        let clock = SystemClock::anchored_at(Timestamp::from_secs(1000));
        assert_eq!(clock.now(), Timestamp::from_secs(1000));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Timestamp::from_secs(1005));
    }
}
