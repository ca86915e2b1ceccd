//! What every protocol of the router needs: the decision code, connections by epoch, holding, limits, links.

pub mod machine;

pub(crate) mod admin;
pub(crate) mod balance;
pub(crate) mod connections;
pub(crate) mod driver;
pub(crate) mod fleet_metrics;
pub(crate) mod handover;
pub(crate) mod hold;
pub(crate) mod links;
pub(crate) mod listener;
pub(crate) mod metrics;
pub(crate) mod plane;
pub(crate) mod room;
pub(crate) mod route;
pub(crate) mod sealed;
pub(crate) mod session_metrics;
pub(crate) mod socket;
pub(crate) mod state_file;
