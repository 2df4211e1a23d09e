//! Which parts of the query belong to the key.

/// A parameter name, or all that begin with one: `utm_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    Exact(String),
    StartsWith(String),
}

/// The query's part in the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryRule {
    /// Parameters left out.
    pub ignore: Vec<NamePattern>,
    /// When not empty, the only parameters that count.
    pub only: Vec<NamePattern>,
    /// Whether their order does not matter (equal names keep theirs).
    pub sort: bool,
}
