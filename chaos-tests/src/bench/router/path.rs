//! The ways to a server that are compared.

use std::fmt;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

/// A way from a client to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum PathName {
    /// To the door of the primary's agent, which every other path passes too.
    Direct,
    /// Through HAProxy.
    Haproxy,
    /// Through the router's connection level.
    Tunnel,
    /// Through the router that understands statements.
    Split,
}

impl PathName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Direct, Self::Haproxy, Self::Tunnel, Self::Split];

    /// As it appears in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Haproxy => "haproxy",
            Self::Tunnel => "tunnel",
            Self::Split => "split",
        }
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A path that is ready.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) name: PathName,
    pub(super) host: String,
    pub(super) port: u16,
    /// The process in the middle; none if there is none.
    pub(super) pid: Option<i32>,
}

impl Path {
    pub(super) fn to(name: PathName, address: &str, pid: Option<i32>) -> Result<Self> {
        let (host, port) = address.rsplit_once(':').context("address without port")?;
        Ok(Self {
            name,
            host: host.to_owned(),
            port: port.parse()?,
            pid,
        })
    }
}
