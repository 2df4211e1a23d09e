//! HTTP caching as a shared cache has to do it, decided by pure functions: RFC 9110, 9111, 5861 and 9211.
//!
//! In the order in which a request meets them:
//!
//! 1. [`hides_fields`] says whether a request is fit for a cache; [`RequestDirectives`], [`may_share`] and [`decide`]
//!    whether a stored reply answers it;
//! 2. [`Validators::precondition`] and [`plan_range`] say in which shape: whole, 304, 206 or 416;
//! 3. [`Validators::make_conditional`] asks the origin about it; [`Validators::confirmed_by`] and
//!    [`merge_not_modified`] take a 304 back in;
//! 4. [`assess`] says whether a new reply is stored and for how long it is fresh, [`parse_vary`] for whom, and
//!    [`tags_of_reply`] under which tags;
//! 5. [`usable_on_error`] says whether a stale one helps when the origin fails;
//! 6. [`CacheStatus`] tells the client what happened.
//!
//! ```
//! use http::{HeaderMap, HeaderValue, StatusCode};
//! use larder::semantics::{Credentials, Decision, Exchange, FreshnessRule, assess, decide};
//! use larder::time::Timestamp;
//! use std::time::Duration;
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("cache-control", HeaderValue::from_static("max-age=60, stale-while-revalidate=30"));
//! let received_at = Timestamp::from_secs(1_000_000);
//! let reply = Exchange {
//!     credentials: Credentials::default(),
//!     status: StatusCode::OK,
//!     headers: &headers,
//!     requested_at: received_at,
//!     received_at,
//! };
//! let freshness = assess(&FreshnessRule::default(), &reply).expect("max-age is a lifetime");
//!
//! let after = |seconds| decide(&freshness, false, None, received_at.plus(Duration::from_secs(seconds)));
//! assert_eq!(after(59), Decision::Fresh);
//! assert_eq!(after(89), Decision::StaleWhileRevalidate);
//! assert!(matches!(after(90), Decision::Revalidate(_)));
//! ```
//!
//! Nothing here reads a clock, waits, logs or knows a socket: `now` is an argument, and every answer is an enum that
//! names its reason. Input from the network is hostile, so no function panics on any header value, and what cannot be
//! understood is read in the way that stores less or asks the origin once more.

mod cache_control;
mod cache_status;
mod conditional;
mod date;
mod decimal;
mod directives;
mod entity_tag;
mod fields;
mod freshness;
mod lifetime;
mod multipart;
mod range;
mod rule;
mod serve;
mod status;
mod storable;
mod tags;
mod targeted;
mod terms;
mod update;
mod vary;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod testing;

pub use cache_control::{CacheControl, RequestDirectives};
pub use cache_status::{CacheStatus, Forward};
pub use conditional::{Precondition, Validators, remove_preconditions};
pub use date::{http_date, parse_http_date};
pub(crate) use entity_tag::is_entity_tag;
pub use fields::{hides_fields, remove_hop_by_hop};
pub use freshness::{Departure, Freshness, LifetimeSource};
pub use multipart::MultipartPlan;
pub use range::{ByteRange, RangePlan, plan_range, unsatisfied_content_range};
pub use rule::{ClientDirectives, Cookies, FreshnessRule, SetCookie};
pub use serve::{Decision, Revalidate, decide, usable_on_error};
pub use storable::{Credentials, Exchange, NotStorable, assess, may_share};
pub use tags::{TAG_FIELDS, remove_tags, tags_of_reply};
pub use targeted::{
    CdnWord, cdn_lifetime, is_targeted, keep_at_most, remove_targeted, targeted, tell_lifetime,
};
pub use update::merge_not_modified;
pub use vary::{Vary, add_vary, parse_vary};
