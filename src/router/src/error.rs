//! Why a router cannot start or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_api::tls::TlsError;
use quorate_model::ClusterId;
use thiserror::Error;

/// Why a router cannot start or go on.
#[derive(Debug, Error)]
pub enum Error {
    /// The configuration contradicts itself.
    #[error("configuration: `{field}` {problem}")]
    Config {
        /// Which field.
        field: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// An address is not to be had.
    #[error("cannot listen on {address} (`listen.{field}`); {remedy}")]
    Listen {
        /// `rw`, `ro`, `tunnel` or `admin`.
        field: &'static str,
        /// Which address.
        address: SocketAddr,
        /// What to do.
        remedy: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the threads that carry clients (`threads`); raise the limit of processes or memory")]
    Threads(#[source] io::Error),
    /// The router that runs already gives nothing away.
    #[error("cannot take over from the router that runs with `{}` (`state_file`); stop that one and start this one without `--take-over`", path.display())]
    TakeOver {
        /// Which state file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificates are unusable.
    #[error("cannot use the certificates under `tls`")]
    Tls(#[source] TlsError),
    /// The certificate belongs to somebody else.
    #[error("`{}` is the certificate of `{found}`, but this is router `{expected}`; issue one with `quorate pki` or correct `router`", path.display())]
    WrongCertificate {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// The route table on disk cannot be read or replaced.
    #[error("cannot access `{}` (`state_file`); it must be a file in a folder that this process may write", path.display())]
    StateFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The route table on disk is of another deployment.
    #[error("`{}` belongs to cluster `{found}`, but `cluster` is `{expected}`; correct `cluster` or `state_file`, or delete the file if the router moved for good", path.display())]
    ForeignStateFile {
        /// Which file.
        path: PathBuf,
        /// Its cluster.
        found: ClusterId,
        /// Ours.
        expected: ClusterId,
    },
}

impl Error {
    pub(crate) fn listen(field: &'static str, address: SocketAddr, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => "another process has it: stop that one, or choose another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose one that it has",
            _ => "choose another address",
        };
        Self::Listen {
            field,
            address,
            remedy,
            source,
        }
    }
}
