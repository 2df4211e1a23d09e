//! Which rule governs a request: the first that matches host, path and method.
//!
//! # Patterns
//!
//! | written | matches | captures |
//! | --- | --- | --- |
//! | `/api/v1/products` | that path, nothing else: no trailing slash, no other case | |
//! | `/products/{id}`, `/products/*` | one segment that is not empty | `id`, as sent |
//! | `/feeds/{id}.json`, `/static/*.css` | one segment with text before or after the wildcard | `id`, as sent |
//! | `/files/{path...}`, `/files/**` | `/files`, `/files/` and everything below | `path`: what follows the slash, perhaps nothing |
//!
//! `**` takes its parent as well, so that `/carts/**` with `cache: bypass` covers `POST /carts`: a rule that keeps something out
//! of the cache must not have a hole at its edge.
//!
//! # Paths are compared as they were sent
//!
//! Nothing is decoded, folded or resolved, and the origin receives what the client sent. An origin may read such a path more
//! freely than that: to many `/static/../api/v1/sessions` is `/api/v1/sessions`, and a rule that caches `/static/**` would store
//! a session where everyone can fetch it. [`ambiguity`] recognises every path that has a second reading; whoever routes a
//! request must not cache one that has.

mod ambiguity;
mod children;
mod error;
mod few;
mod hash;
mod host;
mod hosts;
mod methods;
mod path;
mod router;
mod segment;
mod trie;

pub use ambiguity::{Ambiguity, ambiguity, is_ambiguous_path};
pub use error::PatternError;
pub use host::HostPattern;
pub use path::{Captures, Filled, PathPattern};
pub use router::{RoutePattern, Router, Shadowed};
