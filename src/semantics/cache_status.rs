//! The `Cache-Status` field (RFC 9211).

/// Why a request went forward (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Miss,
    Request,
    Stale,
    Partial,
}

impl Forward {
    /// The token.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
}

/// What Larder did with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    pub hit: bool,
    pub fwd: Option<Forward>,
    pub fwd_status: Option<u16>,
    /// Remaining freshness in seconds; negative when stale.
    pub ttl: Option<i64>,
    pub stored: bool,
    pub collapsed: bool,
    /// The tier that answered, or why the reply was not stored.
    pub detail: Option<&'static str>,
    /// The rule's departure from the origin, behind the detail.
    pub departure: Option<&'static str>,
}

impl CacheStatus {
    /// Writes `larder; hit; ttl=287; detail=memory` to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let _ = out;
        todo!()
    }
}
