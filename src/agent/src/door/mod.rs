//! The only way to the server from outside.
//!
//! Peers come over mutual TLS and say who they are and under which epoch; [`gate`] decides. Then bytes are relayed to the
//! server's unix socket: those of clients as they are while the lease holds ([`client`]), those of replicas with their
//! acknowledgements held back unless they are in the ack set ([`replica`]).

mod accept;
mod client;
mod failsafe;
mod gate;
mod packets;
mod pump;
mod replica;

pub(crate) use accept::{Listener, quicken, room_to_wait};
pub(crate) use gate::Gate;
pub(crate) use pump::Buffer;
