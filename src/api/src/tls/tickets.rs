//! Session tickets: who was here a moment ago need not prove again who it is, and a dial costs a third.
//!
//! Many sessions of a router dial the same few doors, all at once when a primary has been lost. So a server gives several
//! tickets, which carry the session themselves: a store on its side would be full after some dozen dials. Whoever dials
//! keeps as many as one failover may need. Both forget everything with a reload that changes something: a ticket must not
//! let in a peer whose authority is no longer trusted.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::server::ProducesTickets;
use rustls_pki_types::ServerName;

use super::Material;

/// Tickets with each handshake. One is used up by the next dial, so that eight full handshakes save the following 24.
pub(super) const PER_HANDSHAKE: usize = 4;
/// Tickets kept for each server, of about 2 KiB; a router dials no more than 64 times at once.
const KEPT: usize = 128;
/// Servers of which something is kept: three doors and three supervisors, and some that went.
const SERVERS: usize = 16;

/// Tickets of the servers that this process dials.
#[derive(Default)]
pub(super) struct Purse(Mutex<HashMap<ServerName<'static>, Kept>>);

/// Of one server.
#[derive(Default)]
struct Kept {
    group: Option<NamedGroup>,
    /// The newest is at the end.
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl Purse {
    fn edit(&self, server: ServerName<'static>, change: impl FnOnce(&mut Kept)) {
        let mut servers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.len() >= SERVERS && !servers.contains_key(&server) {
            servers.clear();
        }
        change(servers.entry(server).or_default());
    }
}

impl fmt::Debug for Purse {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purse").finish_non_exhaustive()
    }
}

/// The present purse.
#[derive(Debug)]
pub(super) struct CurrentPurse(pub(super) Arc<ArcSwap<Material>>);

impl ClientSessionStore for CurrentPurse {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.load().purse.edit(server_name, |kept| kept.group = Some(group));
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        let current = self.0.load();
        let servers = current.purse.0.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get(&server_name.to_owned()).and_then(|kept| kept.group)
    }

    /// Our own servers speak TLS 1.3.
    fn set_tls12_session(&self, _server_name: ServerName<'static>, _value: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _server_name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.load().purse.edit(server_name, |kept| {
            if kept.tickets.len() >= KEPT {
                kept.tickets.pop_front();
            }
            kept.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let current = self.0.load();
        let mut servers = current.purse.0.lock().unwrap_or_else(PoisonError::into_inner);
        servers.get_mut(server_name)?.tickets.pop_back()
    }
}

/// Makes tickets and reads them, with keys that live as long as the present material and no longer than twelve hours.
#[derive(Debug)]
pub(super) struct CurrentTicketer(pub(super) Arc<ArcSwap<Material>>);

impl ProducesTickets for CurrentTicketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.0.load().ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.load().ticketer.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.load().ticketer.decrypt(cipher)
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection};

    use super::*;
    use crate::pki::Authority;
    use crate::tls::{Role, Tls, server_name};

    /// How a connection between the two begins.
    fn meet(router: &Arc<ClientConfig>, agent: &Arc<ServerConfig>) -> HandshakeKind {
        let name = server_name(Role::Agent, Some("m1")).unwrap();
        let mut client = ClientConnection::new(router.clone(), name).unwrap();
        let mut server = ServerConnection::new(agent.clone()).unwrap();
        let mut bytes = Vec::new();
        while client.wants_write() || server.wants_write() {
            bytes.clear();
            client.write_tls(&mut bytes).unwrap();
            let mut sent = &bytes[..];
            while !sent.is_empty() {
                server.read_tls(&mut sent).unwrap();
                server.process_new_packets().unwrap();
            }
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            let mut sent = &bytes[..];
            while !sent.is_empty() {
                client.read_tls(&mut sent).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        assert!(server.peer_certificates().is_some_and(|certs| !certs.is_empty()));
        assert_eq!(client.handshake_kind(), server.handshake_kind());
        server.handshake_kind().unwrap()
    }

    #[test]
    fn every_handshake_pays_for_four_more_until_something_changes() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "test").unwrap();
        let load = |role, name| Tls::load(&authority.issue(role, name, &[]).unwrap()).unwrap();
        let (router, agent) = (load(Role::Router, "r1"), load(Role::Agent, "m1"));
        let (dials, listens) = (router.client(), agent.server_mutual());
        assert_eq!(meet(&dials, &listens), HandshakeKind::Full);
        for _ in 0..300 {
            assert_eq!(meet(&dials, &listens), HandshakeKind::Resumed);
        }
        let name = server_name(Role::Agent, Some("m1")).unwrap();
        let kept = |tls: &Tls| {
            tls.current
                .load()
                .purse
                .0
                .lock()
                .unwrap()
                .get(&name)
                .map_or(0, |kept| kept.tickets.len())
        };
        assert_eq!(kept(&router), KEPT);

        // The agent's files change: it knows no ticket of before. Then the router's: it has none.
        assert!(!agent.reload().unwrap());
        assert_eq!(meet(&dials, &listens), HandshakeKind::Resumed);
        authority.issue(Role::Agent, "m1", &[]).unwrap();
        assert!(agent.reload().unwrap());
        assert_eq!(meet(&dials, &listens), HandshakeKind::Full);
        assert_eq!(meet(&dials, &listens), HandshakeKind::Resumed);
        authority.issue(Role::Router, "r1", &[]).unwrap();
        assert!(router.reload().unwrap());
        assert_eq!(kept(&router), 0);
        assert_eq!(meet(&dials, &listens), HandshakeKind::Full);
    }

    #[test]
    fn what_is_kept_of_servers_is_bounded() {
        let purse = Purse::default();
        for nth in 0..10 * SERVERS {
            let name = ServerName::try_from(format!("m{nth}.agent.quorate")).unwrap();
            purse.edit(name, |kept| kept.group = Some(NamedGroup::X25519));
        }
        assert!(purse.0.lock().unwrap().len() <= SERVERS);
    }
}
