//! A TLS 1.3 connection to a door that costs little per record and nothing while idle.
//!
//! rustls does what is security: the handshake, the keys and their renewal, every record's encryption. Only the
//! buffering is done here. rustls' own connection reads 4 KiB at a time, copies each record twice, keeps a buffer for
//! every idle connection and writes through a queue; here one system call reads up to [`READ_BYTES`] into memory that
//! the thread's connections share, records are decrypted where they lie, and a record goes out as it was encrypted.
//! Measured on small statements that is a twentieth of a router's cost.
//!
//! ```text
//!   handshake  rustls, unbuffered ──► keys
//!   keys       sequence numbers, renewal, tickets, alerts
//!   stream     AsyncRead, AsyncWrite
//! ```

use std::sync::Arc;

mod handshake;
mod keys;
mod stream;

#[cfg(test)]
#[path = "sealed_test.rs"]
mod tests;

pub(crate) use handshake::connect;
pub(crate) use stream::Sealed;

/// Read at once: four records of full size.
const READ_BYTES: usize = 64 * 1024;
/// Bytes before a record's content: type, version, length.
const HEAD_BYTES: usize = 5;
/// A record's content, encrypted, at most (RFC 8446, 5.2).
const RECORD_MAX_BYTES: usize = 16 * 1024 + 256;
/// A record's content, plain, at most.
const PLAIN_MAX_BYTES: usize = 16 * 1024;

/// The same configuration, from which [`connect`] can take the keys.
pub(crate) fn unlocked(config: &rustls::ClientConfig) -> Arc<rustls::ClientConfig> {
    let mut config = config.clone();
    config.enable_secret_extraction = true;
    Arc::new(config)
}

/// A peer broke the protocol.
fn broken(what: &'static str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}

fn tls(error: rustls::Error) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}
