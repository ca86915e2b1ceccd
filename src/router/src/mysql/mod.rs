//! MySQL, connection by connection: a client's bytes go through one door, under one epoch, unread.

pub(crate) mod auth;
pub(crate) mod door;
pub(crate) mod fleet;
pub(crate) mod recover;
pub(crate) mod refusal;
pub(crate) mod relay;
#[cfg_attr(not(test), expect(dead_code, reason = "wired by the split session"))]
pub(crate) mod sql;
#[cfg_attr(not(test), expect(dead_code, reason = "wired by the split session"))]
pub(crate) mod stats;
pub(crate) mod tunnel;
pub(crate) mod wire;
