//! The loop that observes, plans, audits, commits and acts.
pub mod config;
pub mod machine;
pub use config::Config;
