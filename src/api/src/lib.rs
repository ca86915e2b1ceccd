//! What goes over the wire.
//!
//! Supervisors, agents and routers talk over *links* ([`link`]): mutually authenticated TLS ([`tls`]) that carries
//! length-prefixed JSON frames. A *door* is greeted with the same frames and then carries raw bytes. Every peer's name
//! is its certificate's name. [`pki`] makes such certificates; [`clock`] is the only place that reads a clock.
//! Operators talk REST: [`rest`] has its types, [`client`] speaks it.
//!
//! ```text
//!   agent, router ──link──► supervisor          Hello / Welcome, then ToSupervisor | FromSupervisor
//!   router, agent ──door──► agent               DoorHello / DoorWelcome, then bytes
//! ```

pub mod backoff;
pub mod client;
pub mod clock;
pub mod link;
pub mod pki;
pub mod rest;
pub mod tls;
