//! Which rule governs a request: the first that matches host, path and method.

mod pattern;
mod router;

pub use pattern::{Captures, HostPattern, PathPattern, PatternError};
pub use router::{RoutePattern, Router, Shadowed};
