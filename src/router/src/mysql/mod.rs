//! MySQL: sessions that are split between servers (`split/`), and connections that are carried unread (`tunnel.rs`).

pub(crate) mod auth;
pub(crate) mod door;
pub(crate) mod fleet;
pub(crate) mod recover;
pub(crate) mod refusal;
pub(crate) mod relay;
pub(crate) mod session;
pub(crate) mod split;
pub(crate) mod sql;
pub(crate) mod stats;
pub(crate) mod tunnel;
pub(crate) mod wire;
