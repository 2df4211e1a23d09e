//! The scripts of the log.

use crate::redis::forms::{Forms, forms};

/// All of them.
pub(super) struct Scripts {
    pub(super) open: Forms,
    pub(super) append: Forms,
    pub(super) follow: Forms,
    pub(super) table: Forms,
    pub(super) beat: Forms,
    pub(super) leave: Forms,
    pub(super) intend: Forms,
    pub(super) withdraw: Forms,
}

macro_rules! guarded {
    (reads $file:literal) => {
        forms!(reads "../positions.lua" "guard.lua" $file)
    };
    (writes $file:literal) => {
        forms!(writes "'HDEL', KEYS[5], ''" "../positions.lua" "guard.lua" $file)
    };
    (queues $file:literal) => {
        forms!(writes "'HDEL', KEYS[5], ''" "../positions.lua" "../outbox/queue.lua" "guard.lua" "cdns.lua" $file)
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            open: guarded!(queues "open.lua"),
            append: guarded!(queues "append.lua"),
            follow: guarded!(reads "follow.lua"),
            table: guarded!(reads "table.lua"),
            beat: guarded!(queues "beat.lua"),
            leave: guarded!(writes "leave.lua"),
            intend: guarded!(writes "intend.lua"),
            withdraw: guarded!(writes "withdraw.lua"),
        }
    }
}
