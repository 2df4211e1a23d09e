//! The rules of the protocol, each of which can be left out.

/// One rule of the protocol, in words. The tests leave out one at a time, and see the protocol break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// An entry keeps the stamp that its node had reached, and is dead once its matcher was purged after it.
    Fence,
    /// That stamp is taken before the origin is asked, not when its answer is stored.
    FenceFirst,
    /// Before a write is forwarded, what it will purge is recorded as an intent.
    Intent,
    /// The intent of a node that is gone is purged at once, and again when the write cannot commit any more.
    SecondSweep,
    /// After a fail-over, or with a new log, a node records the intents of its writes under way again.
    IntentAgain,
    /// The fence of an older term counts as at most the end of that term.
    TermEnd,
    /// In a new term a node takes as applied only what that term inherited.
    FallBack,
    /// What is applied gets a stamp beyond every stamp given before, whatever its position.
    Stamps,
    /// A fence of the shared tier counts as at most the last stamp given.
    Ceiling,
    /// While a node has applied what the log has not, a fence of the shared tier counts as before the first of it.
    Outstanding,
    /// What a node had applied of the part of the log that a fail-over lost is appended again.
    Again,
    /// So is, after a log's birth, what it had applied of the log before.
    AgainAtBirth,
    /// It counts as outstanding until it is.
    LostOutstanding,
    /// Entries from before a log's birth are revalidated before use.
    Birth,
    /// A node that cannot reach the log applies its own purges to itself, and appends them later.
    OwnPurges,
    /// An entry is fresh for at most the limit after its validation or the moment up to which the log was followed.
    Limit,
    /// That moment is when the last completed read of the log was sent, not when its answer came.
    FollowedWhenSent,
    /// A soft purge makes what it reaches stale.
    Soft,
    /// What was invalidated, or may have been, is confirmed only by a strong validator.
    StrongOnly,
    /// What a hard purge reached is not confirmed by any validator.
    HardIsFinal,
    /// A slot of the table is only ever raised.
    Raise,
    /// A node that misses a record loads the table.
    Gap,
    /// The position to go on from is read before the table.
    PositionFirst,
    /// A table is taken over at once, when all of it was read.
    Whole,
    /// What the exact records do not cover any more is judged by the table.
    Reach,
    /// Slots of a loaded table that lie beyond what the node had applied get a new stamp.
    LoadedStamps,
    /// A request that brings a position is served from memory only where that position is applied.
    BroughtPosition,
    /// With the position comes its term; what is of the lost part of an older term is applied nowhere.
    BroughtTerm,
    /// Whether a position is beyond the log is asked of the log, after the request came.
    AskedPosition,
    /// What CDNs are to be told is queued in the step that appends.
    QueuedWithAppend,
    /// An intent says it too, so that whoever sweeps it can queue it.
    NamedIntent,
    /// So do the records, to those who may have to append them again.
    NamedRecords,
    /// The first who comes to a newborn log and knew the one before queues a purge of everything, if the queue is lost.
    QueueAtBirth,
}

/// The rules in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules(u64);

impl Rules {
    /// The whole protocol.
    pub(crate) const fn all() -> Self {
        Self(u64::MAX)
    }

    /// All of these but one.
    pub(crate) const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !(1 << rule as u64))
    }

    /// Whether the rule is in force.
    pub(crate) const fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u64 & 1 == 1
    }
}
