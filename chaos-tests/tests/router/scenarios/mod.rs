//! Scenarios 44 and 50 to 74, by number.

mod abuse;
mod accounts;
mod between;
mod failover;
mod isolation;
mod killed;
mod life;
mod packets;
mod reads;
mod restored;
mod state;
mod statements;
mod stops;
mod storm;
mod transactions;
mod upgrade;

use crate::Case;

/// Those that leave every server alive.
pub(crate) const QUIET: &[&[Case]] = &[
    packets::CASES,
    reads::CASES,
    transactions::CASES,
    state::CASES,
    statements::CASES,
    accounts::CASES,
    abuse::CASES,
];

/// Those that do not.
pub(crate) const KILLING: &[&[Case]] = &[
    stops::CASES,
    between::CASES,
    killed::CASES,
    isolation::CASES,
    storm::CASES,
    restored::CASES,
    failover::CASES,
    life::CASES,
    upgrade::CASES,
];
