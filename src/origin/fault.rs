//! What can go wrong between a request and the head of its reply, in one vocabulary.

use super::FetchError;
use super::standing::Offence;
use pingora::{Error, ErrorType, RetryType};

/// The longest text taken over from an error: enough for the names and numbers in it, too little to flood a log.
const LONGEST_TEXT: usize = 200;

/// How an attempt failed, as far as it matters for what to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No connection could be made: nothing was sent.
    Unreachable,
    /// The server says that it did not look at the request, or a pooled HTTP/2 connection took no more.
    Unprocessed,
    /// The server wants to be asked over HTTP/1.1 (RFC 9113, 7), or cannot speak HTTP/2 although it said so.
    Downgrade,
    /// A pooled connection died with the request on it: most likely it was dead before.
    Stale,
    /// A new connection died before the head was whole.
    Died,
    /// No whole head in time.
    Slow,
    /// A head that cannot be relied on.
    Malformed,
}

/// An attempt that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) error: FetchError,
}

impl Kind {
    /// What it says of the server.
    pub(super) fn offence(self) -> Option<Offence> {
        match self {
            Self::Unreachable => Some(Offence::Unreachable),
            Self::Died | Self::Slow => Some(Offence::Silent),
            // It answered; or it was never asked.
            Self::Unprocessed | Self::Downgrade | Self::Stale | Self::Malformed => None,
        }
    }
}

impl Fault {
    /// No connection within the time for it.
    pub(super) fn connect_timeout() -> Self {
        Self::unreachable("timed out".to_owned())
    }

    /// No connection, for the reason given.
    pub(super) fn unreachable(reason: String) -> Self {
        Self { kind: Kind::Unreachable, error: FetchError::Connect(reason) }
    }

    /// No whole head within the time for it.
    pub(super) fn slow() -> Self {
        Self { kind: Kind::Slow, error: FetchError::Timeout }
    }

    /// A head that cannot be relied on.
    pub(super) fn malformed(error: FetchError) -> Self {
        Self { kind: Kind::Malformed, error }
    }

    /// Pingora gave no connection, pooled or new.
    pub(super) fn connecting(error: &Error) -> Self {
        match error.etype() {
            // The only step of connecting that speaks HTTP/2 on a connection that stands already.
            ErrorType::H2Error => {
                Self { kind: Kind::Unprocessed, error: FetchError::Connect(describe(error)) }
            }
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Self::connect_timeout(),
            _ => Self::unreachable(describe(error)),
        }
    }

    /// The request was sent, or half of it, on a connection that was `reused` or not.
    pub(super) fn exchanging(error: &Error, reused: bool) -> Self {
        let kind = match error.etype() {
            ErrorType::H2Downgrade | ErrorType::InvalidH2 => Kind::Downgrade,
            ErrorType::InvalidHTTPHeader => Kind::Malformed,
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => Kind::Slow,
            _ if error.retry == RetryType::Decided(true) => Kind::Unprocessed,
            _ if reused => Kind::Stale,
            _ => Kind::Died,
        };
        Self { kind, error: broken(error) }
    }
}

/// What an error on an established connection means for the reply.
pub(super) fn broken(error: &Error) -> FetchError {
    match error.etype() {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => FetchError::Timeout,
        ErrorType::InvalidHTTPHeader | ErrorType::InvalidH2 => FetchError::Malformed(describe(error)),
        // Pingora's words for chunks and trailers that it cannot read; it does not export them.
        etype if matches!(etype.as_str(), "InvalidChunk" | "InvalidTrailerEnd") => {
            FetchError::Malformed(describe(error))
        }
        _ => FetchError::Broken(describe(error)),
    }
}

/// The innermost cause, in words. Contexts further out repeat the address, and quote what was read; but Pingora words
/// the failure of a handshake there, and puts the local address in place of its cause.
fn describe(error: &Error) -> String {
    let handshake = matches!(error.etype(), ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert);
    let text = match (&error.cause, &error.context) {
        (cause, Some(context)) if handshake || cause.is_none() => context.as_str().to_owned(),
        (Some(_), _) => error.root_cause().to_string(),
        (None, _) => error.etype().as_str().to_owned(),
    };
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(etype: ErrorType, retry: RetryType) -> Box<Error> {
        let mut error = Error::explain(etype, "words");
        error.retry = retry;
        error
    }

    #[test]
    fn connecting_fails_in_three_ways() {
        let check = |etype, kind| {
            assert_eq!(Fault::connecting(&error(etype, RetryType::Decided(false))).kind, kind);
        };
        check(ErrorType::ConnectRefused, Kind::Unreachable);
        check(ErrorType::ConnectTimedout, Kind::Unreachable);
        check(ErrorType::TLSHandshakeFailure, Kind::Unreachable);
        check(ErrorType::InvalidCert, Kind::Unreachable);
        check(ErrorType::HandshakeError, Kind::Unreachable);
        check(ErrorType::H2Error, Kind::Unprocessed);
    }

    #[test]
    fn exchanging_tells_stale_from_died() {
        let check = |etype, retry, reused, kind, word| {
            let fault = Fault::exchanging(&error(etype, retry), reused);
            assert_eq!((fault.kind, fault.error.as_str()), (kind, word));
        };
        let (no, yes) = (RetryType::Decided(false), RetryType::Decided(true));
        check(ErrorType::ConnectionClosed, RetryType::ReusedOnly, true, Kind::Stale, "broken");
        check(ErrorType::ConnectionClosed, RetryType::ReusedOnly, false, Kind::Died, "broken");
        check(ErrorType::ReadError, no, true, Kind::Stale, "broken");
        check(ErrorType::WriteError, no, true, Kind::Stale, "broken");
        check(ErrorType::WriteError, no, false, Kind::Died, "broken");
        check(ErrorType::H2Error, yes, false, Kind::Unprocessed, "broken");
        check(ErrorType::H2Error, no, false, Kind::Died, "broken");
        check(ErrorType::H2Downgrade, yes, false, Kind::Downgrade, "broken");
        check(ErrorType::InvalidH2, yes, false, Kind::Downgrade, "malformed");
        check(ErrorType::InvalidHTTPHeader, no, true, Kind::Malformed, "malformed");
        check(ErrorType::ReadTimedout, no, true, Kind::Slow, "timeout");
    }

    #[test]
    fn texts_are_bounded_and_quote_the_cause() {
        let long = Error::explain(ErrorType::ReadError, "ä".repeat(1000));
        assert_eq!(describe(&long).chars().count(), LONGEST_TEXT + 1);
        let cause = std::io::Error::other("the cause");
        let nested = Error::because(ErrorType::ReadError, "quotes what was read", cause);
        assert_eq!(describe(&nested), "the cause");
        let address = std::io::Error::other("local address");
        let handshake = Error::because(ErrorType::TLSHandshakeFailure, "UnknownIssuer", address);
        assert_eq!(describe(&handshake), "UnknownIssuer");
        assert_eq!(describe(&Error::new(ErrorType::ReadError)), "ReadError");
    }
}
