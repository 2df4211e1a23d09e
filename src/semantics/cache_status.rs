//! The `Cache-Status` field (RFC 9211).

use super::decimal::push_decimal;

/// Why a request went forward (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The rule says that it is not for the cache.
    Bypass,
    /// Its method is not.
    Method,
    /// Nothing is stored for its URI.
    UriMiss,
    /// Something is, but not for its values of the fields in `Vary`.
    VaryMiss,
    /// Nothing is, and it cannot be told which of both.
    Miss,
    /// A fresh reply is stored, but the request does not want it.
    Request,
    /// What is stored is stale.
    Stale,
    /// What is stored lacks the part that is asked for.
    Partial,
}

impl Forward {
    /// The token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// What Larder did with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// The reply came from the cache. Excludes `fwd` (RFC 9211, 2.1), which is then not written.
    pub hit: bool,
    /// Why the request went forward.
    pub fwd: Option<Forward>,
    /// What the origin answered, where the client got another status. Written beside `fwd` only.
    pub fwd_status: Option<u16>,
    /// Remaining freshness in seconds; negative when stale.
    pub ttl: Option<i64>,
    /// The reply was stored.
    pub stored: bool,
    /// The request shared another one's way to the origin.
    pub collapsed: bool,
    /// The tier that answered, or why the reply was not stored. Like `departure` a token (RFC 9651, 3.3.4).
    pub detail: Option<&'static str>,
    /// The rule's departure from the origin, behind the detail.
    pub departure: Option<&'static str>,
}

impl CacheStatus {
    /// Writes `larder; hit; ttl=287; detail=memory` to `out`, which is all that may be allocated.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"larder");
        if self.hit {
            out.extend_from_slice(b"; hit");
        } else if let Some(forward) = self.fwd {
            out.extend_from_slice(b"; fwd=");
            out.extend_from_slice(forward.as_str().as_bytes());
            if let Some(status) = self.fwd_status {
                out.extend_from_slice(b"; fwd-status=");
                push_decimal(out, u64::from(status));
            }
        }
        if let Some(ttl) = self.ttl {
            out.extend_from_slice(if ttl < 0 { b"; ttl=-" } else { b"; ttl=" });
            push_decimal(out, ttl.unsigned_abs());
        }
        if self.stored {
            out.extend_from_slice(b"; stored");
        }
        if self.collapsed {
            out.extend_from_slice(b"; collapsed");
        }
        self.write_detail(out);
    }

    fn write_detail(&self, out: &mut Vec<u8>) {
        let (first, second) = match (self.detail, self.departure) {
            (None, None) => return,
            (Some(only), None) | (None, Some(only)) => (only, None),
            (Some(detail), Some(departure)) => (detail, Some(departure)),
        };
        out.extend_from_slice(b"; detail=");
        out.extend_from_slice(first.as_bytes());
        if let Some(second) = second {
            out.push(b'/');
            out.extend_from_slice(second.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_happened() {
        fn check(status: CacheStatus, expected: &str) {
            let mut out = Vec::new();
            status.write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let none = CacheStatus::default;
        check(none(), "larder");
        check(
            CacheStatus { hit: true, ttl: Some(287), detail: Some("memory"), ..none() },
            "larder; hit; ttl=287; detail=memory",
        );
        check(
            CacheStatus {
                hit: true,
                ttl: Some(-3),
                detail: Some("memory"),
                departure: Some("override"),
                ..none()
            },
            "larder; hit; ttl=-3; detail=memory/override",
        );
        check(
            CacheStatus { hit: true, ttl: Some(i64::MIN), departure: Some("override"), ..none() },
            "larder; hit; ttl=-9223372036854775808; detail=override",
        );
        check(
            CacheStatus { fwd: Some(Forward::UriMiss), stored: true, ..none() },
            "larder; fwd=uri-miss; stored",
        );
        check(
            CacheStatus { fwd: Some(Forward::UriMiss), stored: true, collapsed: true, ..none() },
            "larder; fwd=uri-miss; stored; collapsed",
        );
        check(
            CacheStatus { fwd: Some(Forward::Stale), fwd_status: Some(304), stored: true, ..none() },
            "larder; fwd=stale; fwd-status=304; stored",
        );
        check(
            CacheStatus { fwd: Some(Forward::UriMiss), ttl: Some(0), detail: Some("no_store"), ..none() },
            "larder; fwd=uri-miss; ttl=0; detail=no_store",
        );
        check(
            CacheStatus { hit: true, fwd: Some(Forward::Stale), fwd_status: Some(304), ..none() },
            "larder; hit",
        );
        check(CacheStatus { fwd_status: Some(304), ..none() }, "larder");
    }

    #[test]
    fn names_every_reason_as_rfc_9211_does() {
        for (forward, token) in [
            (Forward::Bypass, "bypass"),
            (Forward::Method, "method"),
            (Forward::UriMiss, "uri-miss"),
            (Forward::VaryMiss, "vary-miss"),
            (Forward::Miss, "miss"),
            (Forward::Request, "request"),
            (Forward::Stale, "stale"),
            (Forward::Partial, "partial"),
        ] {
            assert_eq!(forward.as_str(), token);
        }
    }
}
