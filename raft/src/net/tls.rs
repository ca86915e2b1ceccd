//! The certificates of a node, replaceable while it runs.

use std::sync::Arc;

/// Both sides of mutual TLS. The server side must demand client certificates of the deployment's authority; that they
/// are supervisors' certificates is checked here. Certificates that a resolver inside renews need nothing more; new
/// authorities come with [`Node::reload_tls`](crate::Node::reload_tls).
#[derive(Debug, Clone)]
pub struct Tls {
    /// For calls to peers; presents this supervisor's certificate.
    pub client: Arc<rustls::ClientConfig>,
    /// For calls from peers.
    pub server: Arc<rustls::ServerConfig>,
}

impl Tls {
    /// The server side, with HTTP/2 as the only protocol.
    pub(crate) fn server_h2(&self) -> Arc<rustls::ServerConfig> {
        let mut server = (*self.server).clone();
        server.alpn_protocols = vec![b"h2".to_vec()];
        Arc::new(server)
    }
}
