//! A binlog as it comes over the wire: events, rows and the groups they form. Pure; nothing here does IO.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub(super) mod event;
pub(super) mod hunt;
pub(super) mod rows;
pub(super) mod tally;
