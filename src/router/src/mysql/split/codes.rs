//! The servers' own errors that the router answers with in their place, by number and SQLSTATE.

/// Number and SQLSTATE.
pub(super) type ErrorCode = (u16, [u8; 5]);

/// `ER_SERVER_SHUTDOWN`: nothing was sent, drivers and pools retry.
pub(super) const SERVER_SHUTDOWN: ErrorCode = (1053, *b"08S01");
/// `ER_NO_SUCH_THREAD`.
pub(super) const NO_SUCH_THREAD: ErrorCode = (1094, *b"HY000");
/// `ER_KILL_DENIED_ERROR`.
pub(super) const NOT_OWNER: ErrorCode = (1095, *b"HY000");
/// `ER_UNKNOWN_ERROR`: what servers have no number for.
pub(super) const UNKNOWN_ERROR: ErrorCode = (1105, *b"HY000");
/// `ER_NOT_SUPPORTED_YET`.
pub(super) const NOT_SUPPORTED: ErrorCode = (1235, *b"42000");
/// `ER_QUERY_INTERRUPTED`.
pub(super) const QUERY_INTERRUPTED: ErrorCode = (1317, *b"70100");
/// `ER_STMT_HAS_NO_OPEN_CURSOR`.
pub(super) const NO_OPEN_CURSOR: ErrorCode = (1421, *b"HY000");
/// `ER_MAX_PREPARED_STMT_COUNT_REACHED`.
pub(super) const TOO_MANY_STATEMENTS: ErrorCode = (1461, *b"42000");
/// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`.
pub(super) const READ_ONLY_TRANSACTION: ErrorCode = (1792, *b"25006");
/// `ER_MALFORMED_PACKET`.
pub(super) const MALFORMED_PACKET: ErrorCode = (1835, *b"HY000");
/// `ER_CONNECTION_KILLED`.
pub(super) const CONNECTION_KILLED: ErrorCode = (1927, *b"70100");

/// `ER_CHECKREAD`: a row was changed since it was read.
pub(super) const CHECK_READ: u16 = 1020;
/// `ER_LOCK_DEADLOCK`.
pub(super) const DEADLOCK: u16 = 1213;
