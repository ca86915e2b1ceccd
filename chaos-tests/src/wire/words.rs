//! Names of numbers on the wire.

/// Capabilities, MariaDB's own in the upper half.
pub mod caps {
    /// Answer with rows found, not rows changed.
    pub const FOUND_ROWS: u64 = 0x2;
    /// `LOAD DATA LOCAL`.
    pub const LOCAL_FILES: u64 = 0x80;
    /// Several statements in one text.
    pub const MULTI_STATEMENTS: u64 = 0x1_0000;
    /// Changes of the session's state with OK packets.
    pub const SESSION_TRACK: u64 = 0x80_0000;
    /// An OK packet ends a result set.
    pub const DEPRECATE_EOF: u64 = 0x100_0000;
    /// Compression.
    pub const COMPRESS: u64 = 0x20;
    /// TLS.
    pub const SSL: u64 = 0x800;
    /// Execution with many rows of arguments.
    pub const BULK: u64 = 1 << 34;
    /// More about columns.
    pub const EXTENDED_METADATA: u64 = 1 << 35;
    /// Columns of a prepared statement are sent once.
    pub const CACHE_METADATA: u64 = 1 << 36;
    /// What every client here asks for: protocol 4.1, transactions, secure login, results of procedures.
    pub const BASE: u64 = 0x4 | 0x200 | 0x2000 | 0x8000 | 0x2_0000 | 0x4_0000 | 0x8_0000;
}

/// Commands.
pub mod command {
    /// `COM_QUIT`
    pub const QUIT: u8 = 0x01;
    /// `COM_INIT_DB`
    pub const INIT_DB: u8 = 0x02;
    /// `COM_QUERY`
    pub const QUERY: u8 = 0x03;
    /// `COM_FIELD_LIST`
    pub const FIELD_LIST: u8 = 0x04;
    /// `COM_STATISTICS`
    pub const STATISTICS: u8 = 0x09;
    /// `COM_PROCESS_KILL`
    pub const PROCESS_KILL: u8 = 0x0c;
    /// `COM_PING`
    pub const PING: u8 = 0x0e;
    /// `COM_CHANGE_USER`
    pub const CHANGE_USER: u8 = 0x11;
    /// `COM_STMT_PREPARE`
    pub const PREPARE: u8 = 0x16;
    /// `COM_STMT_EXECUTE`
    pub const EXECUTE: u8 = 0x17;
    /// `COM_STMT_SEND_LONG_DATA`
    pub const LONG_DATA: u8 = 0x18;
    /// `COM_STMT_CLOSE`
    pub const CLOSE: u8 = 0x19;
    /// `COM_STMT_RESET`
    pub const STMT_RESET: u8 = 0x1a;
    /// `COM_SET_OPTION`
    pub const SET_OPTION: u8 = 0x1b;
    /// `COM_STMT_FETCH`
    pub const FETCH: u8 = 0x1c;
    /// `COM_RESET_CONNECTION`
    pub const RESET: u8 = 0x1f;
    /// `COM_STMT_BULK_EXECUTE`
    pub const BULK_EXECUTE: u8 = 0xfa;
}
