//! Ports for servers that bind them themselves.

use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which the system takes the ports of outgoing connections (32768 and up on Linux), so that nothing
/// takes a server's port while it is down, and a client that connects in vain never meets itself. Above what services use.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A port that was free a moment ago. Another process may take it before it is used: whoever starts a server there looks
/// whether it came up, and asks for another one if not.
pub(crate) fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = rand::random_range(RANGE);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port among a thousand of {RANGE:?}");
}
