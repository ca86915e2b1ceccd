//! The capability bits that the connection phase itself depends on, as one number with MariaDB's own bits in the upper half.

use crate::mysql::wire::capabilities::Capabilities;

/// A server that does not set it is a MariaDB and sends its own bits.
pub(crate) const LONG_PASSWORD: u64 = number(Capabilities::MYSQL);
/// A database is named in the response.
pub(crate) const CONNECT_WITH_DB: u64 = number(Capabilities::CONNECT_WITH_DB);
/// The protocol of 4.1; nobody speaks an older one.
pub(crate) const PROTOCOL_41: u64 = number(Capabilities::PROTOCOL_41);
/// The client asks for TLS.
pub(crate) const SSL: u64 = number(Capabilities::SSL);
/// Twenty bytes of scramble.
pub(crate) const SECURE_CONNECTION: u64 = number(Capabilities::SECURE_CONNECTION);
/// The plugin is named.
pub(crate) const PLUGIN_AUTH: u64 = number(Capabilities::PLUGIN_AUTH);
/// Attributes follow.
pub(crate) const CONNECT_ATTRS: u64 = number(Capabilities::CONNECT_ATTRS);
/// The answer's length is length-encoded.
pub(crate) const PLUGIN_AUTH_LENENC: u64 = number(Capabilities::PLUGIN_AUTH_LENENC);
/// OK in place of EOF.
pub(crate) const DEPRECATE_EOF: u64 = number(Capabilities::DEPRECATE_EOF);

/// What there must be, whatever a session wants.
pub(crate) const PHASE: u64 = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;

const fn number(bits: Capabilities) -> u64 {
    (bits.extended() as u64) << 32 | bits.client() as u64
}
