//! The agreement between supervisors.
mod config;
mod fsio;
mod identity;
mod log;
mod machine;
mod types;

pub use config::*;
pub use identity::*;
pub use log::*;
pub use machine::*;
pub use types::*;
