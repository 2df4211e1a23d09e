//! Host and path patterns.

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Text for the user: what is wrong and what to write.
    #[error("{0}")]
    Invalid(String),
}

/// `shop.example.com` or `*.example.com`; compared without case and without a port unless the pattern names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {/* … */}

impl HostPattern {
    /// Parses a host pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let _ = text;
        todo!()
    }
    /// Whether `authority` (canonical) matches.
    pub fn matches(&self, authority: &str) -> bool {
        let _ = authority;
        todo!()
    }
}

/// `/api/v1/products/{id}`: `{x}` one segment, `{x...}` the rest, `*` and `**` the same without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {/* … */}

impl PathPattern {
    /// Parses a path pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let _ = text;
        todo!()
    }
    /// The names of its captures, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    /// The captures of `path` (as sent, without query), or `None` if it does not match.
    pub fn captures<'p>(&'p self, path: &'p str) -> Option<Captures<'p>> {
        let _ = path;
        todo!()
    }
}

/// What the names of a pattern stood for in one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captures<'p> {
    pub(super) _values: Vec<(&'p str, &'p str)>,
}

impl<'p> Captures<'p> {
    /// The text captured by `name`, as sent.
    pub fn get(&self, name: &str) -> Option<&'p str> {
        let _ = name;
        todo!()
    }
}
