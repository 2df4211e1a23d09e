//! Why Redis did not do what it was asked.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::fmt;

/// Why a command brought nothing.
#[derive(Clone, Debug)]
pub enum LinkError {
    /// No answer in time. Whether the command was done is not known.
    Timeout,
    /// There is no connection, or it broke. A command that was sent before it broke may have been done.
    Refused(String),
    /// As many commands as may wait for an answer already do. This one was not sent.
    Busy,
    /// The server is there and does not serve what was asked of it: it is loading, a replica, or has handed the key to
    /// another one. The command was not done.
    Elsewhere(RedisError),
    /// The server answered with an error; [`LinkError::code`] says which.
    Reply(RedisError),
    /// The server's answer is of another form than the caller reads.
    Unexpected(RedisError),
}

impl LinkError {
    /// One word for logs and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused(_) => "refused",
            Self::Busy => "busy",
            Self::Elsewhere(_) => "elsewhere",
            Self::Reply(_) => "reply",
            Self::Unexpected(_) => "unexpected",
        }
    }

    /// The first word of the server's error, as `NOSCRIPT` or `OOM`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Elsewhere(error) | Self::Reply(error) => error.code(),
            _ => None,
        }
    }

    /// What follows the first word of the server's error.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Elsewhere(error) | Self::Reply(error) => error.detail(),
            _ => None,
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) fn breaks(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Elsewhere(_) | Self::Unexpected(_))
    }
}

impl From<RedisError> for LinkError {
    fn from(error: RedisError) -> Self {
        use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::Timeout,
            ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown | MasterDown | ReadOnly | BusyLoading) => {
                Self::Elsewhere(error)
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Reply(error),
            // What cannot be read leaves a stream of which nobody knows where the next answer begins.
            ErrorKind::Parse => Self::Unexpected(error),
            ErrorKind::UnexpectedReturnType => Self::Reply(error),
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("Redis did not answer in time"),
            Self::Refused(why) => write!(f, "no connection to Redis: {why}"),
            Self::Busy => f.write_str("too many commands wait for Redis"),
            Self::Elsewhere(error) => write!(f, "this Redis does not serve it now: {error}"),
            Self::Reply(error) => write!(f, "Redis refused it: {error}"),
            Self::Unexpected(error) => write!(f, "Redis answered something else: {error}"),
        }
    }
}

impl std::error::Error for LinkError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn errors_are_told_apart_by_what_is_to_be_done() {
        #[track_caller]
        fn check(error: RedisError, word: &str, breaks: bool) {
            let link = LinkError::from(error);
            assert_eq!((link.as_str(), link.breaks()), (word, breaks), "{link}");
        }
        for (code, word) in [
            (&b"-MOVED 1 127.0.0.1:1\r\n"[..], "elsewhere"),
            (b"-READONLY You can't write against a read only replica.\r\n", "elsewhere"),
            (b"-LOADING Redis is loading the dataset in memory\r\n", "elsewhere"),
            (b"-MASTERDOWN Link with MASTER is down\r\n", "elsewhere"),
            (b"-CLUSTERDOWN The cluster is down\r\n", "elsewhere"),
            (b"-NOSCRIPT No matching script.\r\n", "reply"),
            (b"-OOM command not allowed\r\n", "reply"),
            (b"-ERR syntax error\r\n", "reply"),
        ] {
            let error = redis::parse_redis_value(code).and_then(redis::Value::extract_error).unwrap_err();
            check(error, word, word == "elsewhere");
        }
        check(io::Error::from(io::ErrorKind::TimedOut).into(), "timeout", false);
        check(io::Error::from(io::ErrorKind::ConnectionRefused).into(), "refused", true);
        check(redis::parse_redis_value(b"?\r\n").unwrap_err(), "unexpected", true);
    }
}
