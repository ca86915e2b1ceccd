//! The machine's rules, one file per concern.

mod failsafe;
mod lease;
mod orders;
mod primary;
mod replica;
mod rig;
mod stop;
