//! What can be wrong with a pattern.

use super::Ambiguity;

/// Why a pattern cannot be used. The text says what is wrong and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A path pattern that is not a path.
    #[error("`{0}` does not begin with `/`; write `/{0}`")]
    NotAbsolute(String),
    /// A path pattern that asks for a query.
    #[error("`{0}` holds a query or a fragment; end the path before `?` and `#`")]
    Query(String),
    /// More segments than are matched.
    #[error(
        "`{pattern}` has {count} segments, more than {}; let `**` take the rest earlier",
        super::path::MAX_SEGMENTS
    )]
    TooManySegments {
        /// The pattern.
        pattern: String,
        /// How many it has.
        count: usize,
    },
    /// More captures than are kept.
    #[error(
        "`{pattern}` has {count} captures, more than {}; write `*` where the name is not used",
        super::path::MAX_CAPTURES
    )]
    TooManyCaptures {
        /// The pattern.
        pattern: String,
        /// How many it has.
        count: usize,
    },
    /// A capture whose name no template could hold.
    #[error(
        "`{{{0}}}` is not a capture; write a name of letters, digits and `_` that begins with a letter, like `{{product_id}}`"
    )]
    BadName(String),
    /// Two captures of one name.
    #[error("the capture `{0}` stands there twice; give each a name of its own")]
    DuplicateName(String),
    /// A brace without its partner.
    #[error(
        "the braces in `{0}` do not pair up; write `{{name}}` for a segment and `{{name...}}` for the rest"
    )]
    UnbalancedBrace(String),
    /// Two wildcards in one segment.
    #[error("`{0}` has more than one wildcard; write one, with text before or after it, like `{{id}}.json`")]
    SeveralWildcards(String),
    /// A wildcard for the rest that is not the last segment, or not a whole one.
    #[error("`{0}` takes all that follows; make it the whole of the last segment")]
    RestNotLast(String),
    /// Literal text that the proxy never caches, since the origin may read it as another path.
    #[error("`{pattern}` never matches a path that may be cached ({}); {advice}", .why.as_str())]
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// What is ambiguous in it.
        why: Ambiguity,
        /// What to write.
        advice: String,
    },
    /// A host pattern that is no host.
    #[error("`{0}` is not a host; write `shop.example.com`, `*.example.com` or `shop.example.com:8080`")]
    BadHost(String),
    /// A host pattern that any host matches.
    #[error("`*` is every host; leave `host` out")]
    EveryHost,
    /// A port that no host ever shows, since it is the default of its scheme.
    #[error("`{host}:{port}` names a default port, which hosts are compared without; write `{host}`")]
    DefaultPort {
        /// The host.
        host: String,
        /// 80 or 443.
        port: u16,
    },
}
