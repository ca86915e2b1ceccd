//! Bytes of the MySQL protocol as MariaDB 10.11 speaks it, in the command phase. Pure: no IO, no clock.
//!
//! ```text
//!   client ──► Head::parse, Upstream ───────────────────────────────► server      command.rs, request.rs, statement.rs
//!   client ◄── Forward ◄── Reply::advance(chunk) ◄────────────────── server      forward.rs, reply/
//!                             └─► Outcome: status flags, GTID, counts, changes, checksum
//! ```
//!
//! Towards servers the router always negotiates DEPRECATE_EOF and SESSION_TRACK; [`capabilities::Dialect`] says what the
//! client negotiated, and [`reply::Reply`] rewrites only what the two see differently. For a client of today that is
//! nothing but the OK packets that carry more session tracking than it asked for: everything else goes on as the
//! untouched chunk that was read, rows of any size included, without an allocation (`reply/allocation_test.rs`).
//!
//! Start with [`reply`].
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub(crate) mod capabilities;
pub(crate) mod checksum;
pub(crate) mod command;
pub(crate) mod forward;
pub(crate) mod ok;
pub(crate) mod packet;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod statement;
pub(crate) mod track;
pub(crate) mod write;

#[cfg(test)]
mod track_test;
#[cfg(test)]
mod write_test;
