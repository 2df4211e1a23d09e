//! RFC 9111 and its kin as pure functions: no clock, no sockets, plain values.

mod cache_control;
mod cache_status;
mod conditional;
mod fields;
mod range;
mod rule;
mod serve;
mod storable;
mod tags;
mod update;
mod vary;

pub use cache_control::{CacheControl, RequestDirectives};
pub use cache_status::{CacheStatus, Forward};
pub use conditional::{Precondition, Validators};
pub use fields::{http_date, parse_http_date, remove_hop_by_hop};
pub use range::{ByteRange, MultipartPlan, RangePlan, plan_range};
pub use rule::{ClientDirectives, Cookies, FreshnessRule, SetCookie};
pub use serve::{Decision, Revalidate, decide, may_share, usable_on_error};
pub use storable::{Credentials, Departure, Exchange, Freshness, LifetimeSource, NotStorable, assess};
pub use tags::tags_of_reply;
pub use update::merge_not_modified;
pub use vary::{Vary, parse_vary};
