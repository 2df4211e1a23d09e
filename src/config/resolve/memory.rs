//! How much is kept: replies, and the purges that reach them.

use super::Scope;
use crate::config::raw;
use crate::config::read::Field;
use crate::config::units::{Size, show_size};
use crate::invalidation::LedgerSettings;
use crate::store::MemorySettings;
use std::time::Duration;

/// The default of `memory.max_size`.
const MAX_SIZE: u64 = 256 << 20;

/// The default of `memory.max_object`.
const MAX_OBJECT: u64 = 8 << 20;

/// The default of `invalidation.memory`.
const LEDGER_MEMORY: usize = 32 << 20;

/// Slots of the table behind the exact memory of purges: 8 MiB, resident only where written. With a thousand purges
/// a second and lifetimes of an hour, about one entry in a hundred dies for the purge of another.
const TABLE_SLOTS: usize = 1 << 20;

/// The memory tier.
pub(super) fn replies(scope: &Scope<'_>, memory: Option<&raw::Memory>) -> MemorySettings {
    let Some(raw::Memory { max_size, max_object }) = memory else {
        return MemorySettings { max_size: MAX_SIZE, max_object: MAX_OBJECT };
    };
    let whole = scope.some_size(max_size, "256MiB");
    let size = whole.unwrap_or(MAX_SIZE);
    // Only the default adapts to a small memory: who writes a limit shall get it or hear why not.
    let object = scope.some_size(max_object, "8MiB").unwrap_or(MAX_OBJECT.min(size));
    let is_known = whole.is_some() || max_size.is_absent();
    if let Some(at) = max_object.set().filter(|_| is_known && object > size) {
        let whole =
            max_size.set().map_or_else(|| format!("`{}`", show_size(size)), |at| at.shown.to_string());
        let problem = format!("{} is more than the whole memory, {whole}", at.shown);
        at.fault(scope.report, problem, "write less, or raise `memory.max_size`");
    }
    MemorySettings { max_size: size, max_object: object }
}

/// The memory of purges, and after which time each is repeated.
pub(super) fn purges(scope: &Scope<'_>, written: Option<&raw::Invalidation>) -> (LedgerSettings, Duration) {
    let Some(raw::Invalidation { memory, settle, .. }) = written else {
        return (LedgerSettings { memory: LEDGER_MEMORY, table_slots: TABLE_SLOTS }, Duration::ZERO);
    };
    let memory = scope.some_size(memory, "32MiB").map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let ledger = LedgerSettings { memory: memory.unwrap_or(LEDGER_MEMORY), table_slots: TABLE_SLOTS };
    (ledger, settle.or_default(Duration::ZERO))
}

impl Scope<'_> {
    /// A size that cannot be zero; `None` where there is none of use.
    fn some_size(&self, field: &Field<Size>, example: &str) -> Option<u64> {
        let at = field.set()?;
        if at.value.0 == 0 {
            at.fault(self.report, "is zero", format!("write a size such as `{example}`"));
            return None;
        }
        Some(at.value.0)
    }
}
