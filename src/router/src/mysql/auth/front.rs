//! What every greeting needs.

use std::sync::Arc;
use std::time::Duration;

use super::accounts::Accounts;
use super::client_tls::ClientTls;
use super::credentials::Credentials;
use crate::config::Live;

/// How clients are received.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) accounts: Accounts,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) tls: Option<Arc<ClientTls>>,
    /// What clients are offered beyond the connection phase; MariaDB's own bits in the upper half. TLS is added here.
    pub(crate) offered: u64,
    /// utf8mb4_general_ci, unless the servers say otherwise.
    pub(crate) collation: u8,
    /// Its limits are looked at.
    pub(crate) config: Live,
}

impl Front {
    /// For everything that the client does until it is known.
    pub(crate) fn handshake(&self) -> Duration {
        self.config.load().limits.handshake()
    }

    /// For what the router must first learn from the servers.
    pub(crate) fn patience(&self) -> Duration {
        self.config.load().limits.hold_wait()
    }
}
