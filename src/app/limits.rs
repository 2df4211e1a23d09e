//! How many connections there may be.

use std::fs;

/// Where Linux tells the limits of a process.
const LIMITS: &str = "/proc/self/limits";

/// Open files where the limit cannot be found out: what most systems allow a process that asks for nothing.
const USUAL: u64 = 1024;

/// Open files that are not sockets of clients or origins: listeners, the log, event queues, name look-ups.
const RESERVED: u64 = 64;

/// No process holds more connections than this, whatever the limit of open files: an idle one costs about 10 KiB, in Larder and
/// in the kernel, which makes 10 GiB.
const MOST: u64 = 1_000_000;

/// Connections of clients that are kept open at once.
///
/// Two thirds of the open files that the process may have. The rest is left for connections to origins: requests that wait for
/// an origin need one more each, hits none, and a proxy that accepts until nothing is left fails the requests it accepted.
pub(super) fn max_connections() -> usize {
    let open_files = fs::read_to_string(LIMITS).ok().and_then(|text| soft_limit(&text));
    connections_within(open_files.unwrap_or(USUAL))
}

fn connections_within(open_files: u64) -> usize {
    let connections = (open_files.saturating_sub(RESERVED) / 3 * 2).clamp(1, MOST);
    usize::try_from(connections).expect("a million fits")
}

/// The soft limit of open files in the text of [`LIMITS`].
fn soft_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_soft_limit() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max cpu time              unlimited            unlimited            seconds\n\
                    Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(text), Some(1024));
        assert_eq!(soft_limit(&text.replace("1024 ", "unlimited ")), Some(u64::MAX));
        assert_eq!(soft_limit("Max cpu time  1  2\n"), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn leaves_room_for_origins() {
        assert_eq!(connections_within(1024), 640);
        assert_eq!(connections_within(0), 1);
        assert_eq!(connections_within(u64::MAX), 1_000_000);
    }
}
