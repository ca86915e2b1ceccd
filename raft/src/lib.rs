//! The agreement between supervisors.
mod config;
mod formation;
mod fsio;
mod identity;
mod log;
mod machine;
mod net;
mod node;
mod types;

pub use config::*;
pub use formation::*;
pub use identity::*;
pub use log::*;
pub use machine::*;
pub use net::*;
pub use node::*;
pub use types::*;
