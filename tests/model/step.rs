//! Everything that can happen, by name.

use crate::state::{Entry, Id, Record, Reply};
use std::fmt;

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fill { node: u8, fence: u8 },
    Take { node: u8, entry: Entry },
    Check { node: u8 },
    Answer { node: u8, reply: Reply },
    Confirm { node: u8, reply: Reply },
    Store { node: u8 },
    Turn { node: u8 },
    Apply { node: u8, record: Record },
    Ask { node: u8 },
    Told { node: u8 },
    LoadPart { node: u8, first: bool },
    Follow { node: u8 },
    Evict { node: u8 },
    AppendAgain { node: u8, id: Id },
    Forward { node: u8, write: u8 },
    Commit { write: u8 },
    Append { node: u8, id: Id, at: u8 },
    Unanswered { node: u8, id: Id, at: u8 },
    Keep { node: u8, id: Id },
    Intend { node: u8, write: u8 },
    Crash { node: u8 },
    Sweep { node: u8, write: u8, last: bool },
    LateCommit { write: u8 },
    NoCommit { write: u8 },
    Cut { node: u8 },
    Heal { node: u8 },
    Limit,
    FailOver { lost: bool },
    FailOverIntent { write: u8 },
    Deposed,
    Birth,
    Trim,
    Queue { node: u8 },
    Tell { version: u8 },
}

impl Step {
    /// Whether it happens sooner or later by itself, so that without such steps all is quiet.
    pub(crate) fn is_owed(self) -> bool {
        !matches!(
            self,
            Self::Fill { .. }
                | Self::Take { .. }
                | Self::Check { .. }
                | Self::Answer { .. }
                | Self::Confirm { .. }
                | Self::Store { .. }
                | Self::Evict { .. }
                | Self::Forward { .. }
                | Self::Crash { .. }
                | Self::Cut { .. }
                | Self::Limit
                | Self::FailOver { .. }
                | Self::FailOverIntent { .. }
                | Self::Birth
                | Self::Trim
                | Self::Ask { .. }
                | Self::Told { .. }
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fill { node, fence } => write!(f, "node {node} begins a fill, fence {fence}"),
            Self::Take { node, entry } => {
                write!(
                    f,
                    "node {node} takes version {} from the tier, fence {}",
                    entry.reply.version, entry.fence
                )
            }
            Self::Check { node } => write!(f, "node {node} finds its entry fresh"),
            Self::Answer { node, reply } => {
                write!(f, "the origin sends node {node} version {}", reply.version)
            }
            Self::Confirm { node, reply } => {
                write!(f, "the origin confirms version {} to node {node}", reply.version)
            }
            Self::Store { node } => {
                write!(f, "node {node} stores what it was sent, in memory and in the tier")
            }
            Self::Turn { node } => write!(f, "node {node} turns to the log as it is now"),
            Self::Apply { node, record } => {
                write!(f, "node {node} applies {:?} at {}", record.id, record.position)
            }
            Self::Ask { node } => {
                write!(f, "the log answers a read of node {node}, and the answer is under way")
            }
            Self::Told { node } => write!(f, "node {node} has read the log"),
            Self::LoadPart { node, first: true } => {
                write!(f, "node {node} reads the first part of the table")
            }
            Self::LoadPart { node, first: false } => {
                write!(f, "node {node} reads the last part of the table")
            }
            Self::Follow { node } => write!(f, "node {node} follows the log"),
            Self::Evict { node } => write!(f, "node {node} forgets its exact records"),
            Self::AppendAgain { node, id } => {
                write!(f, "node {node} appends {id:?}, which the log does not have")
            }
            Self::Forward { node, write } => write!(f, "node {node} forwards write {write}"),
            Self::Commit { write } => write!(f, "the origin commits write {write}"),
            Self::Append { node, id, at } => write!(f, "node {node} appends {id:?} at {at}"),
            Self::Unanswered { node, id, at } => {
                write!(f, "node {node} appends {id:?} at {at} and gets no answer; it applies it to itself")
            }
            Self::Keep { node, id } => write!(f, "node {node} cannot append {id:?} and applies it to itself"),
            Self::Intend { node, write } => {
                write!(f, "node {node} records the intent of write {write} again")
            }
            Self::Crash { node } => write!(f, "node {node} dies and starts again"),
            Self::Sweep { node, write, last: false } => {
                write!(f, "node {node} sweeps the intent of write {write}")
            }
            Self::Sweep { node, write, last: true } => {
                write!(f, "node {node} sweeps the intent of write {write} for the last time")
            }
            Self::LateCommit { write } => write!(f, "the origin commits write {write}, late"),
            Self::NoCommit { write } => write!(f, "the origin never commits write {write}"),
            Self::Cut { node } => write!(f, "node {node} is cut off"),
            Self::Heal { node } => write!(f, "node {node} is not cut off any more"),
            Self::Limit => f.write_str("the limit passes"),
            Self::FailOver { lost: true } => f.write_str("a fail-over loses the last record"),
            Self::FailOver { lost: false } => f.write_str("a fail-over"),
            Self::FailOverIntent { write } => write!(f, "a fail-over loses the intent of write {write}"),
            Self::Deposed => f.write_str("the deposed server ends"),
            Self::Birth => f.write_str("the log is empty, born anew"),
            Self::Trim => f.write_str("the stream is trimmed to nothing"),
            Self::Queue { node } => write!(f, "node {node} queues for the CDN what it appended"),
            Self::Tell { version } => write!(f, "the CDN is told of version {version}"),
        }
    }
}
