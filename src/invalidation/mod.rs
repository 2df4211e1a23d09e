//! What a purge reaches, and the order of purges.

mod bearings;
mod json;
mod ledger;
mod log;
mod matcher;
mod names;
mod path;
mod plan;
mod position;
mod purge;
mod recent;
mod sealed;
mod shared;
mod table;
mod template;
mod unrender;
mod url;
mod values;
mod variable;

pub use bearings::{BadBearings, Bearings, BearingsLayout, Checked, MAX_NAMED_TAGS, TooManyTags};
pub use json::{BadPointer, Json, Pointer};
pub use ledger::{Ledger, LedgerSettings, LedgerStats, Standing, Verdict};
pub use log::{Appending, IntentId, LocalLog, Log, LogError, Reach};
pub use matcher::{Invalidation, Kind, Matcher, MatcherHash, Mode};
pub use names::{BadNames, Names};
pub use path::{climbs, normal_form};
pub use plan::{Selector, WriteRule, WriteSeen, plan_write};
pub use position::{Fence, ParsePositionError, Position};
pub use purge::Purge;
pub use shared::{Birth, Epoch, ParsePlaceError, Place, SharedFence, Term};
pub use table::table_slots;
pub use template::{MAX_TEXT, Template, TemplateError};
pub use unrender::{Reading, TooManyReadings};
pub use url::BadUrl;
pub use values::{Values, capture_text, segment_text};
pub use variable::{BadVariable, Variable};
