//! Planted defects: each breaks one rule of the protocol, and the checks must notice.

/// A rule that is broken on purpose, in the simulated shell around the real machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Doors pass every acknowledgement, whoever it comes from.
    AckGateOff,
    /// A promise is said to be on disk, and is not.
    PromiseNotPersisted,
    /// A door stays open to clients when its lease ends.
    DoorIgnoresLease,
    /// Relay logs are thrown away at a restart instead of applied.
    SalvageSkipped,
    /// A server restarts as a master: it keeps what nobody acknowledged.
    BootAsMaster,
    /// Replicas confirm a revocation and go on receiving and acknowledging.
    RevokeSkipped,
    /// Routers confirm an epoch and keep their old connections.
    RouterKeepsOldConnections,
    /// Semi-sync is never switched on.
    NeverArmed,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AckGateOff,
        Self::PromiseNotPersisted,
        Self::DoorIgnoresLease,
        Self::SalvageSkipped,
        Self::BootAsMaster,
        Self::RevokeSkipped,
        Self::RouterKeepsOldConnections,
        Self::NeverArmed,
    ];
}
