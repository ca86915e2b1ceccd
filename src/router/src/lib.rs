//! Beside each application: one local address that follows the epoch.

pub mod core;

pub use self::core::machine;
