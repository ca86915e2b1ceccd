//! What the machine does with events, one file per concern.

mod authority;
mod detection;
mod orders;
mod proposals;
mod requests;
mod rig;
