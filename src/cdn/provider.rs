//! The port of the CDNs' own APIs: what one takes, and how it is asked.

use crate::invalidation::Mode;
use async_trait::async_trait;
use http::HeaderName;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where something stands on the public side of a CDN.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Scheme and host as clients write them, such as `https://shop.example.com`; no slash at the end.
    pub base: Arc<str>,
    /// Path, beginning with a slash, percent-encoded; no query.
    pub path: Box<str>,
}

impl Location {
    /// The host, with its port if it has one.
    pub fn host(&self) -> &str {
        self.base.split_once("://").map_or(&self.base, |(_, host)| host)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, self.path)
    }
}

/// One thing that a CDN can be asked to purge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// A path, with every query and variant of it as far as the API can say that.
    Url(Location),
    /// A path and everything below it.
    Prefix(Location),
    /// Whatever bears a tag, as the CDN spells it.
    Tag(Box<str>),
    /// Everything.
    All,
}

impl Target {
    /// Its kind.
    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Url(_) => TargetKind::Url,
            Self::Prefix(_) => TargetKind::Prefix,
            Self::Tag(_) => TargetKind::Tag,
            Self::All => TargetKind::All,
        }
    }
}

/// The kind of a target. One call names targets of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TargetKind {
    /// [`Target::Url`].
    Url,
    /// [`Target::Prefix`].
    Prefix,
    /// [`Target::Tag`].
    Tag,
    /// [`Target::All`].
    All,
}

impl TargetKind {
    /// All kinds.
    pub const EACH: [Self; 4] = [Self::Url, Self::Prefix, Self::Tag, Self::All];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Prefix => "prefix",
            Self::Tag => "tag",
            Self::All => "all",
        }
    }
}

/// Names a call; it stays the same however often the call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(pub u128);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One request to the API of a CDN, within its [`Limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name: what makes a repetition harmless where the API knows such.
    pub id: CallId,
    /// The kind of all its targets.
    pub kind: TargetKind,
    /// Soft only where [`Limits::soft`] is.
    pub mode: Mode,
    /// At least one; [`Target::All`] stands alone.
    pub targets: Vec<Target>,
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not now: too many calls, a failure of the CDN, no answer; or wrong credentials, or a wrong distribution, zone or service,
    /// which an operator can mend. The call is repeated.
    #[error("{reason}")]
    Later {
        /// A word for metrics: `throttled`, `server_error`, `timeout`, `connect`, `credentials`, `not_found`,
        /// `in_progress`.
        kind: &'static str,
        /// What an operator should read; no secret is in it.
        reason: String,
        /// How long the CDN asked to wait (`Retry-After`).
        after: Option<Duration>,
    },
    /// Never: the CDN refuses what the call says. Repeating it as it is does not help.
    #[error("{reason}")]
    Refused {
        /// What an operator should read; no secret is in it.
        reason: String,
    },
}

impl CallError {
    /// The word for metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Later { kind, .. } => kind,
            Self::Refused { .. } => "refused",
        }
    }
}

/// How much of one kind goes into a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Many {
    /// Targets in one call at most; at least 1.
    pub targets: usize,
    /// Bytes of all their names together at most, each counted with `overhead`.
    pub bytes: usize,
    /// Bytes that each target adds to a call beside its name, such as quotes and commas.
    pub overhead: usize,
    /// Bytes of one name at most. What is longer is widened.
    pub longest: usize,
}

/// How often an API may be called: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls, …
    pub calls: u32,
    /// … in this time, on average.
    pub per: Duration,
    /// Calls at once at most, after a pause; at least 1.
    pub burst: u32,
}

/// How the tags of a reply are written for a CDN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagHeader {
    /// The field.
    pub name: HeaderName,
    /// What stands between two tags.
    pub separator: Separator,
    /// Tags at most.
    pub tags: usize,
    /// Bytes of the whole value at most.
    pub bytes: usize,
    /// Bytes of one tag at most.
    pub longest: usize,
    /// What tags may be made of.
    pub alphabet: Alphabet,
}

/// What stands between two tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// A space.
    Space,
    /// A comma.
    Comma,
}

/// What the tags of a CDN are made of: printable ASCII without the separator and without these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alphabet {
    /// Characters that must not occur beside.
    pub without: &'static str,
    /// Tags that differ in case alone are one to the CDN.
    pub ignores_case: bool,
}

/// What the host of a URL or prefix is to an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostUse {
    /// It takes paths alone; each is purged for every host.
    None,
    /// A path without one is purged for every host.
    Optional,
    /// It has to be told, and what is kept under other names of the host stays.
    Needed,
}

/// What an API takes, each figure from its documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// URLs, if it takes any.
    pub url: Option<Many>,
    /// Prefixes, if it takes any.
    pub prefix: Option<Many>,
    /// Tags, if it takes any and Larder sends them.
    pub tag: Option<Many>,
    /// Whether everything can be purged.
    pub all: bool,
    /// Whether what is purged can be made stale instead.
    pub soft: bool,
    /// Whether a purge of a URL reaches it with every query.
    pub queries: bool,
    /// What the hosts of URLs and prefixes are to it.
    pub hosts: HostUse,
    /// How often it may be called.
    pub rate: Rate,
    /// How replies tell it their tags; set exactly where `tag` is.
    pub header: Option<TagHeader>,
    /// Where the figures are from.
    pub source: &'static str,
}

impl Limits {
    /// How much of `kind` goes into a call; `None` where the API does not take it.
    pub fn many(&self, kind: TargetKind) -> Option<Many> {
        match kind {
            TargetKind::Url => self.url,
            TargetKind::Prefix => self.prefix,
            TargetKind::Tag => self.tag,
            TargetKind::All => {
                self.all.then_some(Many { targets: 1, bytes: usize::MAX, overhead: 0, longest: usize::MAX })
            }
        }
    }
}

/// The API of one CDN.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What it takes.
    fn limits(&self) -> &Limits;

    /// Makes one call, within a deadline of its own. Dropped at any time, it may have been done or not.
    async fn send(&self, call: &Call) -> Result<(), CallError>;
}
