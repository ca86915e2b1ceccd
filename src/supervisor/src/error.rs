//! Why a supervisor cannot start or go on.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_api::rest::TokenError;
use quorate_api::tls::TlsError;
use quorate_model::ClusterId;
use quorate_raft::StartError;
use thiserror::Error;

use crate::config::ConfigError;

/// Why a supervisor cannot start or go on. Each says what to do.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings contradict each other.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// The certificates are unusable.
    #[error("the certificates are unusable")]
    Tls(#[from] TlsError),
    /// The certificate is somebody else's.
    #[error("the certificate in `tls.cert` is for {found}, but this is {wanted}; issue one with `quorate pki`")]
    Certificate {
        /// Whose it is.
        found: String,
        /// Whose it must be.
        wanted: String,
    },
    /// The tokens are unusable.
    #[error("the REST API's tokens are unusable")]
    Tokens(#[from] TokenError),
    /// An address is taken.
    #[error("cannot listen on {addr} (listen.{what}); stop what uses it or choose another address")]
    Listen {
        /// Which listener.
        what: &'static str,
        /// Its address.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Raft does not start.
    #[error("Raft does not start")]
    Raft(#[from] StartError),
    /// Raft's thread does not start.
    #[error("cannot start a thread for Raft")]
    Thread(#[source] io::Error),
    /// Raft has stopped.
    #[error("Raft has stopped; the log says why, and a restart may help")]
    RaftStopped,
    /// The data folder cannot be used.
    #[error("cannot use the data folder `{}`; check its owner, mode and free space", data_dir.display())]
    DataFolder {
        /// The folder.
        data_dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data folder is another supervisor's.
    #[error(
        "`{}` belongs to supervisor {found}, but this is {wanted}; correct data_dir or the ids",
        data_dir.display()
    )]
    ForeignData {
        /// The folder.
        data_dir: PathBuf,
        /// Whose it is.
        found: String,
        /// Who wanted it.
        wanted: String,
    },
    /// Another process uses the data folder.
    #[error("another process uses `{}`; stop it first", data_dir.display())]
    DataInUse {
        /// The folder.
        data_dir: PathBuf,
    },
    /// The note whose folder it is cannot be read.
    #[error("`{}` is damaged; if the folder is this supervisor's, remove that file and start again", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The data folder belongs to another deployment.
    #[error(
        "`{}` holds the state of cluster `{found}`, but cluster.id is `{wanted}`; correct cluster.id, or use another data_dir",
        data_dir.display()
    )]
    ForeignState {
        /// The folder.
        data_dir: PathBuf,
        /// Whose state it holds.
        found: ClusterId,
        /// Whose it should be.
        wanted: ClusterId,
    },
    /// The REST API's listener failed.
    #[error("the REST API cannot be served")]
    Serve(#[source] io::Error),
}
