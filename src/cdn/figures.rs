//! How deliveries to a CDN stand, for operators.

use super::Backlog;
use crate::time::Timestamp;
use std::sync::Arc;

/// How deliveries to one CDN stand, as this node sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdnStats {
    /// Name of the CDN.
    pub name: Arc<str>,
    /// What this node does about it.
    pub state: CdnState,
    /// The queue, as it was last read.
    pub backlog: Backlog,
    /// What fails; `None` while nothing does.
    pub failing: Option<Failing>,
}

/// What a node does about a CDN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CdnState {
    /// It does not know yet whether another node has the lead.
    #[default]
    Starting,
    /// Another node has the lead.
    StandingBy,
    /// This node has the lead, and the CDN takes what it is told.
    Delivering,
    /// This node has the lead, and waits for the CDN before it tries again.
    Waiting,
    /// The queue cannot be reached.
    Unreachable,
    /// Larder ends.
    Stopped,
}

impl CdnState {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::StandingBy => "standing_by",
            Self::Delivering => "delivering",
            Self::Waiting => "waiting",
            Self::Unreachable => "unreachable",
            Self::Stopped => "stopped",
        }
    }
}

/// Something that fails and is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The word of the error, as metrics have it; `queue` when it is the queue that cannot be reached.
    pub kind: &'static str,
    /// What an operator should read; no secret is in it.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is tried again.
    pub again: Timestamp,
}

/// What a CDN has not taken yet of what somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Name of the CDN.
    pub cdn: Arc<str>,
    /// Why.
    pub reason: OutstandingReason,
}

/// Why a CDN has not taken something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutstandingReason {
    /// It waits, or is under way.
    Waiting,
    /// It was given up, for this reason.
    Dead(String),
    /// The queue cannot be reached, so nobody knows.
    Unknown(String),
}

impl OutstandingReason {
    /// The word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead(_) => "dead",
            Self::Unknown(_) => "unknown",
        }
    }
}
