//! The listening sockets: opened, or taken over open.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::Error;
use crate::config::Listen;
use crate::core::handover::{Claimed, Offer};
use crate::core::listener::Port;

/// All of a router's.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) rw: TcpListener,
    pub(crate) ro: TcpListener,
    pub(crate) tunnel: Option<TcpListener>,
    pub(crate) admin: Option<TcpListener>,
}

impl Sockets {
    /// Takes what is offered and opens the rest.
    pub(crate) async fn open(listen: &Listen, mut claimed: Option<&mut Claimed>) -> Result<Self, Error> {
        let mut one = async |field: &'static str, address: SocketAddr| {
            let offered = claimed
                .as_deref_mut()
                .and_then(|claimed| claimed.socket(field, address));
            let opened = match offered {
                // Non-blocking is a property of the socket itself, and it was when it was opened.
                Some(socket) => TcpListener::from_std(socket),
                None => TcpListener::bind(address).await,
            };
            opened.map_err(|source| Error::listen(field, address, source))
        };
        let rw = one("rw", listen.rw).await?;
        let ro = one("ro", listen.ro).await?;
        let tunnel = match listen.tunnel {
            Some(address) => Some(one("tunnel", address).await?),
            None => None,
        };
        let admin = match listen.admin {
            Some(address) => Some(one("admin", address).await?),
            None => None,
        };
        Ok(Self { rw, ro, tunnel, admin })
    }

    /// Adds them to what may be taken over.
    pub(crate) fn offer(&self, offer: &mut Offer) -> std::io::Result<()> {
        let sockets = [
            ("rw", Some(&self.rw)),
            ("ro", Some(&self.ro)),
            ("tunnel", self.tunnel.as_ref()),
            ("admin", self.admin.as_ref()),
        ];
        for (field, socket) in sockets {
            if let Some(socket) = socket {
                offer.add(field, socket.local_addr()?, socket)?;
            }
        }
        Ok(())
    }

    /// Those for applications, and the one for people.
    pub(crate) fn split(self) -> (impl Iterator<Item = (Port, TcpListener)>, Option<TcpListener>) {
        let ports = [
            (Port::Rw, Some(self.rw)),
            (Port::Ro, Some(self.ro)),
            (Port::Tunnel, self.tunnel),
        ];
        let ports = ports
            .into_iter()
            .filter_map(|(port, socket)| socket.map(|socket| (port, socket)));
        (ports, self.admin)
    }
}
