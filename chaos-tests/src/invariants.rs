//! The twenty promises, one per file: statement, source, a check over the truth about a run, and a planted breach
//! that the check must catch.
//!
//! Statements and numbers are those of `failover.md` §3.8 (the protocol's reference). [`instant`] checks what must hold
//! at every instant and is cheap; [`history`] reads the whole run and belongs at its end.

mod trace;

pub mod i01_epochs_only_grow;
pub mod i02_promises_hold;
pub mod i03_ackers_are_agreed;
pub mod i04_elections_are_safe;
pub mod i05_no_lost_ack;
pub mod i06_no_unbacked_ack;
pub mod i07_no_ack_after_revocation;
pub mod i08_one_ack_capable;
pub mod i09_no_stale_read;
pub mod i10_leases_end_in_time;
pub mod i11_boot_gate;
pub mod i12_nothing_discarded;
pub mod i13_waiters_never_released;
pub mod i14_truncated_not_electable;
pub mod i15_barrier_before_service;
pub mod i16_idempotent_steps;
pub mod i17_converges;
pub mod i18_opens_when_whole;
pub mod i19_pause_means_pause;
pub mod i20_plan_is_pure;

use std::fmt;

pub use trace::{
    Act, Boot, Decision, Discard, Election, Ending, Lease, Node, Opening, Planned, Read, Release, Revocation, Row,
    Trace, Write,
};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which, for example `I5`.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

impl Breach {
    fn new(invariant: &'static str, what: impl Into<String>) -> Self {
        Self {
            invariant,
            what: what.into(),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

impl std::error::Error for Breach {}

/// A check over the truth about a run.
pub type Check = fn(&Trace) -> Result<(), Breach>;

/// What must hold at every instant.
pub const INSTANT: [Check; 3] = [
    i03_ackers_are_agreed::check,
    i08_one_ack_capable::check,
    i15_barrier_before_service::check,
];

/// What a whole run must show.
pub const HISTORY: [Check; 17] = [
    i01_epochs_only_grow::check,
    i02_promises_hold::check,
    i04_elections_are_safe::check,
    i05_no_lost_ack::check,
    i06_no_unbacked_ack::check,
    i07_no_ack_after_revocation::check,
    i09_no_stale_read::check,
    i10_leases_end_in_time::check,
    i11_boot_gate::check,
    i12_nothing_discarded::check,
    i13_waiters_never_released::check,
    i14_truncated_not_electable::check,
    i16_idempotent_steps::check,
    i17_converges::check,
    i18_opens_when_whole::check,
    i19_pause_means_pause::check,
    i20_plan_is_pure::check,
];

/// Checks what must hold now.
///
/// # Errors
///
/// The first promise that is broken.
pub fn instant(trace: &Trace) -> Result<(), Breach> {
    INSTANT.iter().try_for_each(|check| check(trace))
}

/// Checks a whole run.
///
/// # Errors
///
/// The first promise that is broken.
pub fn history(trace: &Trace) -> Result<(), Breach> {
    instant(trace)?;
    HISTORY.iter().try_for_each(|check| check(trace))
}
