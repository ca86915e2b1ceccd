//! The machine's intervals.

use std::time::Duration;

/// Intervals and limits. Longer ones cost time, never safety, except the lease's: it must not be longer than the
/// policy's `lease_ttl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest time between two reports.
    pub report_every: Duration,
    /// Shortest time between two reports that differ in positions only.
    pub report_apart: Duration,
    /// Lease that a failsafe grant gives.
    pub failsafe_ttl: Duration,
    /// How long a grantor waits until a failsafe lease has ended on the holder's clock.
    pub failsafe_wait: Duration,
    /// Silence of the supervisors after which a primary asks its ack set for a failsafe lease, and how often.
    pub failsafe_after: Duration,
    /// A server that does not stop receiving within this is killed.
    pub hard_revoke_after: Duration,
    /// A dead server is started again after this if nobody ordered anything: behind the gate that is harmless.
    pub restart_after: Duration,
    /// Pause before a failed step or start is tried again.
    pub retry_after: Duration,
    /// How long a planned stop waits for a handover before it kills the server.
    pub handover_wait: Duration,
    /// How often each write probe writes.
    pub probe_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            report_every: Duration::from_millis(100),
            report_apart: Duration::from_millis(20),
            failsafe_ttl: Duration::from_millis(1500),
            failsafe_wait: Duration::from_millis(1581),
            failsafe_after: Duration::from_millis(500),
            hard_revoke_after: Duration::from_secs(2),
            restart_after: Duration::from_secs(5),
            retry_after: Duration::from_millis(200),
            handover_wait: Duration::from_secs(10),
            probe_every: Duration::from_millis(250),
        }
    }
}
