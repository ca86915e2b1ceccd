//! Capability bits: what is offered to clients, what is asked of servers, and which bits tie a connection to a session.

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// The client's 32 bits and, above them, MariaDB's extended 32.
///
/// MariaDB sends the extended half only while [`Self::MYSQL`] is clear.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Capabilities(u64);

macro_rules! bits {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Capabilities {
            $(
                $(#[$doc])*
                #[allow(dead_code, reason = "bits that are never negotiated have a name for logs only")]
                pub(crate) const $name: Self = Self(1 << $bit);
            )*
            const NAMED: &'static [(u32, &'static str)] = &[$(($bit, stringify!($name))),*];
        }
    };
}

bits! {
    /// Speaks MySQL, not MariaDB: no extended half.
    MYSQL = 0;
    /// An UPDATE reports the rows it found, not those it changed.
    FOUND_ROWS = 1;
    /// Two-byte column flags.
    LONG_FLAG = 2;
    /// The handshake response names a database.
    CONNECT_WITH_DB = 3;
    /// Refuses `database.table.column`.
    NO_SCHEMA = 4;
    /// zlib; never negotiated.
    COMPRESS = 5;
    /// ODBC quirks.
    ODBC = 6;
    /// LOAD DATA LOCAL INFILE.
    LOCAL_FILES = 7;
    /// A space may stand before the parenthesis of a function.
    IGNORE_SPACE = 8;
    /// The protocol since 4.1.
    PROTOCOL_41 = 9;
    /// `interactive_timeout` instead of `wait_timeout`.
    INTERACTIVE = 10;
    /// TLS.
    SSL = 11;
    /// No meaning on the wire.
    IGNORE_SIGPIPE = 12;
    /// Status flags in OK packets.
    TRANSACTIONS = 13;
    /// No meaning since 4.1.
    RESERVED = 14;
    /// 20-byte scrambles.
    SECURE_CONNECTION = 15;
    /// Several statements in one COM_QUERY.
    MULTI_STATEMENTS = 16;
    /// Several results for one COM_QUERY.
    MULTI_RESULTS = 17;
    /// Several results for one COM_STMT_EXECUTE.
    PS_MULTI_RESULTS = 18;
    /// Authentication plugins.
    PLUGIN_AUTH = 19;
    /// Connection attributes in the handshake response.
    CONNECT_ATTRS = 20;
    /// The authentication answer may exceed 255 bytes.
    PLUGIN_AUTH_LENENC = 21;
    /// Logs in with an expired password, to change it.
    EXPIRED_PASSWORDS = 22;
    /// State changes in OK packets.
    SESSION_TRACK = 23;
    /// An OK packet ends a result set; no EOF after the column definitions.
    DEPRECATE_EOF = 24;
    /// MySQL's way to leave out metadata; never negotiated.
    OPTIONAL_METADATA = 25;
    /// zstd; never negotiated.
    ZSTD = 26;
    /// The old progress bit; never negotiated.
    PROGRESS_OLD = 29;
    /// Used inside clients only.
    VERIFY_SERVER = 30;
    /// Used inside clients only.
    REMEMBER_OPTIONS = 31;
    /// Progress reports as errors; never negotiated.
    PROGRESS = 32;
    /// Retired.
    COM_MULTI = 33;
    /// COM_STMT_BULK_EXECUTE.
    STMT_BULK = 34;
    /// Extended type information in column definitions.
    EXTENDED_METADATA = 35;
    /// A repeated EXECUTE may leave out the column definitions.
    CACHE_METADATA = 36;
    /// Results per row of a bulk; from 11.5.
    BULK_UNIT_RESULTS = 37;
}

impl Capabilities {
    /// What every connection to a server has, whatever the client is.
    const TOWARDS_SERVER: Self = Self::union(&[
        Self::LONG_FLAG,
        Self::PROTOCOL_41,
        Self::TRANSACTIONS,
        Self::SECURE_CONNECTION,
        Self::PLUGIN_AUTH,
        Self::PLUGIN_AUTH_LENENC,
        Self::CONNECT_ATTRS,
        Self::SESSION_TRACK,
        Self::DEPRECATE_EOF,
    ]);
    /// What a connection to a server has if and only if its client asked for it, since the server behaves differently.
    const OF_THE_CLIENT: Self = Self::union(&[
        Self::FOUND_ROWS,
        Self::NO_SCHEMA,
        Self::ODBC,
        Self::LOCAL_FILES,
        Self::IGNORE_SPACE,
        Self::INTERACTIVE,
        Self::MULTI_STATEMENTS,
        Self::MULTI_RESULTS,
        Self::PS_MULTI_RESULTS,
        Self::EXPIRED_PASSWORDS,
        Self::STMT_BULK,
        Self::EXTENDED_METADATA,
        Self::CACHE_METADATA,
    ]);
    /// What the router handles on the client's side alone.
    const TOWARDS_CLIENT: Self = Self::union(&[Self::CONNECT_WITH_DB, Self::IGNORE_SIGPIPE]);

    const fn union(all: &[Self]) -> Self {
        let mut bits = 0;
        let mut rest = all;
        while let [first, tail @ ..] = rest {
            bits |= first.0;
            rest = tail;
        }
        Self(bits)
    }

    /// From the two halves as they are on the wire.
    pub(crate) const fn from_parts(client: u32, extended: u32) -> Self {
        Self(((extended as u64) << 32) | client as u64)
    }

    /// From both halves in one number, the extended one above.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Both halves in one number.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The lower 32 bits.
    pub(crate) const fn client(self) -> u32 {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// MariaDB's upper 32 bits.
    pub(crate) const fn extended(self) -> u32 {
        let [_, _, _, _, a, b, c, d] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// Whether all of `bits` are set.
    pub(crate) const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// Without `bits`.
    pub(crate) const fn without(self, bits: Self) -> Self {
        Self(self.0 & !bits.0)
    }

    /// What the greeting offers, of what servers (`server`, from their greeting) can do.
    ///
    /// Compression, progress reports and whatever is newer than this code stay out: half-supported is worse than absent.
    pub(crate) fn offered(server: Self, tls: bool, local_infile: bool) -> Self {
        let handled = Self::TOWARDS_SERVER | Self::OF_THE_CLIENT | Self::TOWARDS_CLIENT;
        let mut offered = server.without(Self::MYSQL) & handled;
        // Done by the router itself, so also in front of a server that lacks them.
        offered = offered | Self::SESSION_TRACK | Self::DEPRECATE_EOF;
        if tls {
            offered = offered | Self::SSL;
        }
        if !local_infile {
            offered = offered.without(Self::LOCAL_FILES);
        }
        offered
    }

    /// What a connection on behalf of a client with the capabilities `client` asks of the server.
    ///
    /// `CONNECT_WITH_DB` is the login's choice and not set here.
    pub(crate) fn towards_server(client: Self) -> Self {
        Self::TOWARDS_SERVER | (client & Self::OF_THE_CLIENT)
    }

    /// The bits that a connection to a server must share with a session to serve it.
    pub(crate) fn pool_bits(self) -> PoolBits {
        PoolBits(self & Self::OF_THE_CLIENT)
    }
}

impl BitOr for Capabilities {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Capabilities {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = Self::NAMED.iter().filter(|(bit, _)| self.0 & (1 << bit) != 0);
        f.write_str("{")?;
        for (index, (_, name)) in set.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}")?;
        }
        f.write_str("}")
    }
}

/// Part of a pool's key: a pooled connection fits a session only if these are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct PoolBits(Capabilities);

impl PoolBits {
    /// As a number.
    pub(crate) const fn bits(self) -> u64 {
        self.0.bits()
    }
}

/// How a client writes what the command phase carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// OK ends result sets; else EOF packets are made for it.
    pub(crate) deprecate_eof: bool,
    /// Whether column definitions may be left out (also on the server's side).
    pub(crate) cache_metadata: bool,
    /// Whether column definitions carry extended type information.
    pub(crate) extended_metadata: bool,
    /// What of session tracking it gets to see.
    pub(crate) track: Track,
}

/// How much of session tracking a client sees. The router asks servers for more than any client expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Track {
    /// Did not negotiate it.
    Nothing,
    /// What a server with default settings reports: the schema, autocommit, the character sets and the time zone.
    Default,
    /// All, as it comes: for a client that has set `session_track_*` itself.
    Everything,
}

impl Dialect {
    /// That of a client with the capabilities `client`.
    pub(crate) const fn of(client: Capabilities) -> Self {
        Self {
            deprecate_eof: client.has(Capabilities::DEPRECATE_EOF),
            cache_metadata: client.has(Capabilities::CACHE_METADATA),
            extended_metadata: client.has(Capabilities::EXTENDED_METADATA),
            track: if client.has(Capabilities::SESSION_TRACK) {
                Track::Default
            } else {
                Track::Nothing
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_round_trip() {
        let all = Capabilities::from_parts(0x81ff_f7df, 0x1d);
        assert_eq!((all.client(), all.extended()), (0x81ff_f7df, 0x1d));
        assert!(all.has(Capabilities::CACHE_METADATA) && !all.has(Capabilities::PROGRESS_OLD));
    }

    #[test]
    fn offers_only_what_is_handled() {
        let server = Capabilities::from_parts(u32::MAX, u32::MAX);
        let offered = Capabilities::offered(server, true, true);
        for never in [
            Capabilities::MYSQL,
            Capabilities::COMPRESS,
            Capabilities::ZSTD,
            Capabilities::PROGRESS,
            Capabilities::PROGRESS_OLD,
            Capabilities::OPTIONAL_METADATA,
            Capabilities::COM_MULTI,
            Capabilities::BULK_UNIT_RESULTS,
        ] {
            assert!(!offered.has(never), "{never:?}");
        }
        assert!(offered.has(Capabilities::SSL) && offered.has(Capabilities::LOCAL_FILES));
        let closed = Capabilities::offered(server, false, false);
        assert!(!closed.has(Capabilities::SSL) && !closed.has(Capabilities::LOCAL_FILES));
    }

    #[test]
    fn pools_differ_by_what_the_client_asked_for() {
        let plain = Capabilities::PROTOCOL_41 | Capabilities::DEPRECATE_EOF;
        let found = plain | Capabilities::FOUND_ROWS;
        assert_eq!(
            plain.pool_bits(),
            (Capabilities::PROTOCOL_41 | Capabilities::SESSION_TRACK).pool_bits()
        );
        assert_ne!(plain.pool_bits(), found.pool_bits());
        assert!(!Capabilities::towards_server(found).has(Capabilities::CONNECT_WITH_DB));
        assert_eq!(format!("{:?}", found & Capabilities::FOUND_ROWS), "{FOUND_ROWS}");
    }
}
