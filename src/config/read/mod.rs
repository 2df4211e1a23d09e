//! Reading the tree: a cursor over values that reports what is wrong and goes on.
//!
//! Whoever reads a value says what it should be, so `8080`, `"8080"` and `${PORT}` are the same port, and a country
//! `NO` never becomes a boolean. A reader that finds a fault reports it and returns `None`; everything else is still
//! read, which is how all faults come at once.

mod field;
mod item;
mod names;
mod record;

pub(super) use field::{At, Field, List, Map};
pub(super) use item::Item;
pub(super) use names::{Hint, nearest, one_of};
pub(super) use record::{Fields, Record, record};

use super::expand::Sources;
use super::fault::Report;
pub(super) use super::fault::Wrong;

/// What every reader needs: where faults go and where values come from.
pub(super) struct Context<'a> {
    pub(super) report: &'a Report,
    pub(super) sources: Sources<'a>,
}

/// What can be read from the tree.
pub(super) trait FromYaml: Sized {
    /// Reads a value, or reports why it cannot be.
    fn read(item: &Item<'_>) -> Option<Self>;
}

/// What can be read from a single value.
pub(super) trait Scalar: Sized {
    /// What the value has to be, for people, with an example: "a duration such as `30s`".
    const WHAT: &'static str;

    /// Whether a fault must not repeat the value, not even the part of it that stands in the file.
    const SECRET: bool = false;

    /// Understands `text`. What it says when it does not is shown only if nothing was filled into the text.
    fn parse(text: &str) -> Result<Self, Wrong>;
}

impl<T: Scalar> FromYaml for T {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.scalar()
    }
}
