//! Why an agent cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_api::tls::TlsError;
use quorate_mariadb::binaries::BinaryError;
use quorate_mariadb::install::InstallError;
use quorate_mariadb::secrets::SecretError;
use thiserror::Error;

/// Why an agent cannot start.
#[derive(Debug, Error)]
pub enum Error {
    /// The configuration contradicts itself.
    #[error("the agent's configuration cannot be used: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The certificates cannot be used.
    #[error("the agent's certificates cannot be used")]
    Tls(#[source] TlsError),
    /// The certificate names somebody else.
    #[error("the certificate names `{found}`, but this agent is `{wanted}`; issue one with `quorate pki`")]
    WrongCertificate {
        /// Who the certificate is for.
        found: String,
        /// Who this agent is.
        wanted: String,
    },
    /// A password file is missing.
    #[error("the database passwords cannot be used; each node needs the same files in `secrets_dir`")]
    Secrets(#[source] SecretError),
    /// The server program is missing or too old.
    #[error("the database server cannot be used")]
    Binaries(#[source] BinaryError),
    /// The socket's path is too long.
    #[error("the socket path `{}` is longer than the 107 bytes that Linux allows; set `server.socket` to a shorter one", .0.display())]
    SocketPath(PathBuf),
    /// The data directory cannot be used.
    #[error("the node's server cannot be prepared")]
    Install(#[source] InstallError),
    /// An address is taken.
    #[error("cannot listen on {address} (`{field}`); stop what uses it, or configure another one")]
    Listen {
        /// Which setting.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The agent's memory cannot be used.
    #[error("the agent's memory cannot be used")]
    Memory(#[source] MemoryError),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
    /// The home folder cannot be made or written.
    #[error("cannot use `{}`; `server.home` must be a folder that the agent may write", path.display())]
    Home {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why the agent's memory cannot be read or written.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// The file system refused.
    #[error("cannot access `{}`", path.display())]
    Access {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The content is not what was written.
    #[error(
        "`{}` is damaged ({why}): this node may have forgotten a promise. Move its whole folder away and let the node be \
         rebuilt", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It belongs to another node or cluster.
    #[error("`{}` belongs to node `{found}`, not to `{wanted}`; point this agent at its own folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who this agent is.
        wanted: String,
    },
    /// A data directory without its memory.
    #[error(
        "`{}` is missing although there is a data directory: this node may have forgotten a promise. Restore the file, or \
         move the data directory away and let the node be rebuilt", path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
}
