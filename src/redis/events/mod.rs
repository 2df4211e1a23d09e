//! Where an application's events come from: a channel, which every node hears, and a stream, which all nodes read together.
//!
//! Both are the application's own and named by the configuration, so they lie outside the namespace. The channel is only
//! listened to. In the stream nothing is ever trimmed or deleted; Larder keeps a consumer group there, and makes the stream
//! where there is none, so that the group has a place.

mod channel;
mod entries;
mod pending;
mod reader;
mod stream;

pub use channel::RedisChannel;
pub use stream::{RedisStream, StreamSettings};

use super::LinkError;

/// Why a feed does not come, in words that show nothing of the inside.
fn why(error: &LinkError) -> &'static str {
    match (error, error.code()) {
        (_, Some("NOPERM")) => {
            "the user may not read it (channel: `+subscribe +ping &<channel>`; stream: `+xreadgroup +xack +xgroup +xpending +xclaim +xrange +eval +evalsha +xinfo ~<stream>`)"
        }
        (_, Some("NOAUTH" | "WRONGPASS")) => "Redis refuses the user or the password",
        (_, Some("WRONGTYPE")) => "the key holds something else than a stream",
        (_, Some("OOM")) => "Redis is out of memory",
        (LinkError::Timeout, _) => "Redis does not answer",
        (LinkError::Elsewhere(_), _) => "this Redis does not serve it now",
        (LinkError::Refused(_) | LinkError::Busy, _) => "Redis cannot be reached",
        (LinkError::Reply(_) | LinkError::Unexpected(_), _) => "Redis refuses it",
    }
}
