//! Capability bits: the lower half is the protocol's, the upper half MariaDB's own.

/// `CLIENT_LONG_PASSWORD`. A server that does not set it is a MariaDB and sends its own bits.
pub(crate) const LONG_PASSWORD: u64 = 1;
/// A database is named in the response.
pub(crate) const CONNECT_WITH_DB: u64 = 1 << 3;
/// zlib compression.
pub(crate) const COMPRESS: u64 = 1 << 5;
/// The protocol of 4.1; nobody speaks an older one.
pub(crate) const PROTOCOL_41: u64 = 1 << 9;
/// The client asks for TLS.
pub(crate) const SSL: u64 = 1 << 11;
/// Twenty bytes of scramble.
pub(crate) const SECURE_CONNECTION: u64 = 1 << 15;
/// The plugin is named.
pub(crate) const PLUGIN_AUTH: u64 = 1 << 19;
/// Attributes follow.
pub(crate) const CONNECT_ATTRS: u64 = 1 << 20;
/// The answer's length is length-encoded.
pub(crate) const PLUGIN_AUTH_LENENC: u64 = 1 << 21;
/// OK in place of EOF.
pub(crate) const DEPRECATE_EOF: u64 = 1 << 24;

/// What the connection phase itself depends on, whatever a session wants.
pub(crate) const PHASE: u64 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
