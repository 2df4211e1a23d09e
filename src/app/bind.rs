//! Addresses, listened on before anything else is started, so that what cannot be had is found out at once.

use super::StartError;
use crate::config::{ListenSettings, Settings};
use crate::proxy::{Identity, Listener};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

/// Everything that is listened on.
pub(super) struct Bound {
    /// For clients, in the order of the settings.
    pub(super) listeners: Vec<(TcpListener, Arc<Listener>)>,
    /// For the administrator.
    pub(super) admin: TcpListener,
    /// Where that is.
    pub(super) admin_address: SocketAddr,
}

impl Bound {
    /// Listens on every address of `settings`.
    pub(super) fn new(settings: &Settings) -> Result<Self, StartError> {
        let listeners = settings.listen.iter().enumerate();
        let listeners = listeners.map(|(index, listen)| open(index, listen)).collect::<Result<_, _>>()?;
        let (admin, admin_address) = listen_on(settings.admin.address, "admin.address")?;
        Ok(Self { listeners, admin, admin_address })
    }

    /// Where clients connect.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(_, listener)| listener.local()).collect()
    }
}

fn open(index: usize, settings: &ListenSettings) -> Result<(TcpListener, Arc<Listener>), StartError> {
    let ListenSettings { address, tls, h2c } = settings;
    let key = format!("listen[{index}].address");
    let (socket, local) = listen_on(*address, &key)?;
    let identity =
        tls.as_ref().map(|files| Identity { certificate: files.certificate.clone(), key: files.key.clone() });
    let listener = Listener::new(local, *h2c, identity.clone()).map_err(|error| {
        let Identity { certificate, key } = identity.unwrap_or_default();
        StartError::Certificate { certificate, key, reason: error.to_string() }
    })?;
    Ok((socket, Arc::new(listener)))
}

/// A socket that listens, and its address with the port it was given.
fn listen_on(address: SocketAddr, key: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = || {
        let socket = TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    };
    listen().map_err(|error| refused(address, key, error))
}

fn refused(address: SocketAddr, key: &str, source: io::Error) -> StartError {
    let key = key.to_owned();
    match source.kind() {
        ErrorKind::AddrInUse => StartError::AddressInUse { address, key },
        ErrorKind::PermissionDenied => StartError::NotAllowed { address, key },
        ErrorKind::AddrNotAvailable => StartError::NoSuchAddress { address, key },
        _ => StartError::Listen { address, key, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cause_and_mend() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = listen_on(address, "listen[0].address").unwrap_err().to_string();
        assert!(error.starts_with(&format!("address in use: {address}; ")), "{error}");
        assert!(error.contains("`listen[0].address`"), "{error}");

        let error = listen_on("192.0.2.1:80".parse().unwrap(), "admin.address").unwrap_err().to_string();
        assert!(error.starts_with("no such address here: 192.0.2.1:80; "), "{error}");
    }
}
