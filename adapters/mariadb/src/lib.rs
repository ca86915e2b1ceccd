//! MariaDB 10.11: observe and act, without policy.
//!
//! Everything that touches a `mariadbd` is here: creating its data directory, its configuration, its process, and the SQL of
//! each verb of the failover protocol. *When* a verb is used is decided by the supervisors; the agent calls it.
//!
//! ```text
//!  binaries ─► install ─► config ─► process ──► connect ─► observe ─► Facts
//!  (version)   (datadir)  (my.cnf)  (child,        │
//!                                    SIGKILL)      ├─► act::{salvage, attach, stop_receiving, drain, arm,
//!                                                  │         write_epoch_row, open_writes, freeze}
//!                                                  ├─► probe  (write probes)
//!                                                  └─► doctor (findings)
//!  parse: binlog and relay-log files, read without a server
//! ```
//!
//! Three rules hold everywhere. Every call takes a limit and keeps to it. A statement that passes its limit is abandoned and
//! never killed, since killing a commit that waits for an acknowledgement confirms it. And a server that may have
//! waiting commits is stopped by SIGKILL only.

pub mod act;
pub mod binaries;
pub mod config;
mod connect;
pub mod contract;
pub mod doctor;
mod durable;
mod error;
pub mod identity;
pub mod install;
mod layout;
mod observe;
mod owner;
pub mod parse;
pub mod probe;
pub mod process;
mod relay_logs;
pub mod secrets;
mod session;
mod sql;

pub use connect::Connector;
pub use error::SqlError;
pub use layout::Layout;
pub use observe::{Facts, Replication, ReplicationError, SemiSync, observe};
pub use relay_logs::RelayLogs;
pub use session::Session;
