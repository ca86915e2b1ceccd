//! Beside each application: one local address that follows the epoch.
