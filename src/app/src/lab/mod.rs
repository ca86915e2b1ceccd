//! All of Quorate on one machine, with real servers: for the first five minutes, for tests and for game days.
//!
//! ```text
//!  quorate lab up ──► create: folder, certificates, secrets, one configuration per process
//!        │
//!        └─ starts ─► runner (a process of its own) ─ starts and restarts ─► supervise ×3, agent ×N, route ×1
//!                        │                                                        └─► mariadbd
//!                        └─ keeps DIR/lab.json: who runs where, under which pid
//! ```
//!
//! Everything else (`status`, `down`, `kill`, `freeze`, the demo, tests) reads `lab.json`. A process is signalled only
//! after its command line proved that it belongs to this lab ([`process`]).

mod accounts;
mod configs;
mod create;
mod database;
pub(crate) mod demo;
mod dir;
mod down;
pub(crate) mod inventory;
mod logs;
mod play;
mod ports;
mod process;
mod progress;
pub(crate) mod runner;
mod show;
mod spec;
mod up;

pub(crate) use accounts::random as random_secret;
pub(crate) use dir::LabDir;
pub(crate) use down::{DownOptions, down};
pub(crate) use inventory::Inventory;
pub(crate) use play::{Deed, KillScope, play};
pub(crate) use show::show;
pub(crate) use up::{UpOptions, up};
