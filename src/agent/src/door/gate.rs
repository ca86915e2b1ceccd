//! Who is inside, and who may be. The one place where a door's state changes, under one lock, so that nobody slips in
//! between a closing and the cutting of what it closed on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_api::clock::Clock;
use quorate_api::link::{FailsafeAsk, RefusalCode};
use quorate_model::{DoorState, Epoch, Moment, NodeId, RouterId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::machine::Door;

/// Who comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Guest {
    /// An application's connection; the router is unknown for a plain client.
    Client {
        router: Option<RouterId>,
        write: bool,
        epoch: Epoch,
    },
    /// A replica's receiving thread.
    Replica { node: NodeId, epoch: Epoch },
    /// A replica's agent, ready to be asked for a failsafe lease.
    Failsafe { node: NodeId, epoch: Epoch },
}

impl Guest {
    const fn epoch(&self) -> Epoch {
        match self {
            Self::Client { epoch, .. } | Self::Replica { epoch, .. } | Self::Failsafe { epoch, .. } => *epoch,
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: RefusalCode,
    pub(super) epoch: Epoch,
    pub(super) why: String,
}

/// The door's state and everybody inside.
#[derive(Debug)]
pub(crate) struct Gate {
    inner: Mutex<Inner>,
    /// End of the lease for clients, in microseconds of the boot clock; looked at before each piece of data.
    clients_until: AtomicU64,
    clients_max: usize,
    /// Rung at every change of the state.
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    door: Door,
    next: u64,
    inside: HashMap<u64, Entry>,
    clients: usize,
}

#[derive(Debug)]
struct Entry {
    guest: Guest,
    cut: CancellationToken,
    /// Whether acknowledgements of this replica pass.
    acks: watch::Sender<bool>,
    asks: Option<mpsc::Sender<FailsafeAsk>>,
}

impl Gate {
    pub(crate) fn new(clients_max: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                door: Door::closed(),
                next: 0,
                inside: HashMap::new(),
                clients: 0,
            }),
            clients_until: AtomicU64::new(0),
            clients_max,
            changes: watch::channel(()).0,
        })
    }

    /// A panic while the lock was held cannot leave a half-changed state that admits anybody: changes are single stores.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The new state; cuts everybody who would not be let in now.
    pub(crate) fn apply(&self, door: Door) {
        let mut inner = self.lock();
        inner.door = door;
        let Inner { door, inside, .. } = &mut *inner;
        for entry in inside.values() {
            if admits(door, &entry.guest).is_err() {
                entry.cut.cancel();
            }
            let able = matches!(&entry.guest, Guest::Replica { node, .. } if door.ackable.contains(node));
            entry
                .acks
                .send_if_modified(|acks| std::mem::replace(acks, able) != able);
        }
        drop(inner);
        self.changes.send_replace(());
    }

    pub(crate) fn serve_until(&self, until: Moment) {
        self.clients_until.store(until.as_micros(), Ordering::Release);
    }

    /// Whether data of writing clients may pass at this moment, whatever the rest of the agent has noticed so far.
    fn leased(&self) -> bool {
        Clock.now().as_micros() < self.clients_until.load(Ordering::Acquire)
    }

    pub(super) fn admit(
        self: &Arc<Self>,
        guest: Guest,
        asks: Option<mpsc::Sender<FailsafeAsk>>,
    ) -> Result<Pass, Refusal> {
        let mut inner = self.lock();
        let epoch = epoch_of(&inner.door);
        admits(&inner.door, &guest).map_err(|(code, why)| Refusal { code, epoch, why })?;
        let client = matches!(guest, Guest::Client { .. });
        if client && inner.clients >= self.clients_max {
            let why = format!(
                "{} client connections are the limit (`door.connections_max`)",
                self.clients_max
            );
            return Err(Refusal {
                code: RefusalCode::Busy,
                epoch,
                why,
            });
        }
        inner.clients += usize::from(client);
        inner.next = inner.next.wrapping_add(1);
        let id = inner.next;
        let able = matches!(&guest, Guest::Replica { node, .. } if inner.door.ackable.contains(node));
        let (acks, able) = watch::channel(able);
        let cut = CancellationToken::new();
        let leased = client && matches!(inner.door.state, DoorState::Open { .. });
        let pass = Pass {
            gate: self.clone(),
            id,
            client,
            leased,
            epoch,
            cut: cut.clone(),
            acks: able,
        };
        inner.inside.insert(id, Entry { guest, cut, acks, asks });
        Ok(pass)
    }

    /// As [`Gate::admit`], but somebody who comes before the door is open waits for it for a while. A replica is sent to a
    /// primary that still prepares, and routers may hear of an epoch a moment before its primary does; so they are greeted
    /// already when the door opens.
    pub(super) async fn admit_patiently(
        self: &Arc<Self>,
        guest: Guest,
        asks: Option<mpsc::Sender<FailsafeAsk>>,
        patience: Duration,
    ) -> Result<Pass, Refusal> {
        let mut changes = self.changes.subscribe();
        let until = Instant::now() + patience;
        loop {
            changes.mark_unchanged();
            match self.admit(guest.clone(), asks.clone()) {
                Err(refusal) if matches!(refusal.code, RefusalCode::NotOpen | RefusalCode::NotAdmitted) => {
                    if timeout_at(until, changes.changed()).await.is_err() {
                        return Err(refusal);
                    }
                }
                decided => return decided,
            }
        }
    }

    /// Hands a question to every replica's agent that is connected and can acknowledge.
    pub(crate) fn ask(&self, ask: &FailsafeAsk) {
        for entry in self.lock().inside.values() {
            if let (Guest::Failsafe { .. }, Some(asks)) = (&entry.guest, &entry.asks) {
                // Full: that agent is slow; it is asked again soon.
                let _slow = asks.try_send(ask.clone());
            }
        }
    }

    /// How many clients and replicas are inside.
    pub(crate) fn count(&self) -> (usize, usize) {
        let inner = self.lock();
        let replicas = inner
            .inside
            .values()
            .filter(|entry| matches!(entry.guest, Guest::Replica { .. }));
        (inner.clients, replicas.count())
    }

    pub(super) fn epoch(&self) -> Epoch {
        epoch_of(&self.lock().door)
    }
}

/// Leave to be inside. Dropping it is leaving.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    id: u64,
    client: bool,
    /// Whether what passes depends on the primary's lease. Readers of a replica need none: they know that they may see
    /// the past.
    leased: bool,
    pub(super) epoch: Epoch,
    pub(super) cut: CancellationToken,
    pub(super) acks: watch::Receiver<bool>,
}

impl Pass {
    /// Whether data may pass at this moment.
    pub(super) fn holds(&self) -> bool {
        !self.cut.is_cancelled() && (!self.leased || self.gate.leased())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inner = self.gate.lock();
        inner.inside.remove(&self.id);
        inner.clients = inner.clients.saturating_sub(usize::from(self.client));
    }
}

const fn epoch_of(door: &Door) -> Epoch {
    match door.state {
        DoorState::Closed => Epoch::ZERO,
        DoorState::Replicas { epoch } | DoorState::Open { epoch } | DoorState::ReadOnly { epoch } => epoch,
    }
}

fn admits(door: &Door, guest: &Guest) -> Result<(), (RefusalCode, String)> {
    let epoch = epoch_of(door);
    let theirs = guest.epoch();
    let not_open = |what: &str| {
        Err((
            RefusalCode::NotOpen,
            format!("this node's door is {what}; ask the supervisors who leads"),
        ))
    };
    if door.state == DoorState::Closed {
        return not_open("closed");
    }
    if theirs < epoch {
        return Err((
            RefusalCode::StaleEpoch,
            format!("epoch {theirs} is over; epoch {epoch} is open here"),
        ));
    }
    if theirs > epoch {
        return not_open(&format!("still at epoch {epoch}"));
    }
    match (&door.state, guest) {
        (
            DoorState::Open { .. },
            Guest::Client {
                router: Some(router), ..
            },
        ) => {
            if door.admitted.contains(router) {
                Ok(())
            } else {
                Err((
                    RefusalCode::NotAdmitted,
                    format!("router `{router}` is not admitted yet"),
                ))
            }
        }
        (DoorState::Open { .. } | DoorState::ReadOnly { .. }, Guest::Client { router: None, .. })
        | (DoorState::ReadOnly { .. }, Guest::Client { write: false, .. })
        | (DoorState::Replicas { .. } | DoorState::Open { .. }, Guest::Replica { .. } | Guest::Failsafe { .. }) => {
            Ok(())
        }
        (DoorState::ReadOnly { .. }, Guest::Client { .. }) => not_open("open for reading only"),
        (_, Guest::Client { .. }) => not_open("not open for clients"),
        (_, Guest::Replica { .. } | Guest::Failsafe { .. }) => not_open("not that of a primary"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(epoch: u64, ackable: &[&str]) -> Door {
        Door {
            state: DoorState::Open { epoch: Epoch(epoch) },
            ackable: ackable.iter().map(|node| NodeId::from(*node)).collect(),
            admitted: ["r1".into()].into(),
        }
    }

    fn client(router: &str, epoch: u64) -> Guest {
        Guest::Client {
            router: Some(router.into()),
            write: true,
            epoch: Epoch(epoch),
        }
    }

    fn replica(node: &str, epoch: u64) -> Guest {
        Guest::Replica {
            node: node.into(),
            epoch: Epoch(epoch),
        }
    }

    #[test]
    fn only_the_epoch_of_the_door_and_admitted_routers_come_in() {
        let gate = Gate::new(10);
        assert_eq!(
            gate.admit(client("r1", 1), None).unwrap_err().code,
            RefusalCode::NotOpen
        );
        gate.apply(open(2, &[]));
        for (guest, code) in [
            (client("r1", 1), RefusalCode::StaleEpoch),
            (client("r1", 3), RefusalCode::NotOpen),
            (client("r9", 2), RefusalCode::NotAdmitted),
        ] {
            assert_eq!(gate.admit(guest, None).unwrap_err().code, code);
        }
        let pass = gate.admit(client("r1", 2), None).unwrap();
        assert_eq!(gate.count(), (1, 0));
        drop(pass);
        assert_eq!(gate.count(), (0, 0));
    }

    #[test]
    fn closing_for_clients_cuts_them_and_keeps_replicas() {
        let gate = Gate::new(10);
        gate.apply(open(2, &["m2"]));
        let inside = gate.admit(client("r1", 2), None).unwrap();
        let feed = gate.admit(replica("m2", 2), None).unwrap();
        gate.apply(Door {
            state: DoorState::Replicas { epoch: Epoch(2) },
            ..open(2, &["m2"])
        });
        assert!(inside.cut.is_cancelled() && !feed.cut.is_cancelled());
        gate.apply(open(3, &["m2"]));
        assert!(feed.cut.is_cancelled(), "a stream does not outlive its epoch");
    }

    #[test]
    fn acknowledgements_follow_the_ack_set() {
        let gate = Gate::new(10);
        gate.apply(open(2, &[]));
        let feed = gate.admit(replica("m2", 2), None).unwrap();
        assert!(!*feed.acks.borrow());
        gate.apply(open(2, &["m2"]));
        assert!(*feed.acks.borrow());
    }

    #[tokio::test]
    async fn a_replica_that_comes_early_is_let_in_when_the_door_opens() {
        let gate = Gate::new(1);
        let early = gate.admit_patiently(replica("m2", 2), None, Duration::from_secs(60));
        let opening = async {
            gate.apply(open(1, &["m2"]));
            tokio::task::yield_now().await;
            gate.apply(open(2, &["m2"]));
        };
        let (pass, ()) = tokio::join!(early, opening);
        assert_eq!(pass.unwrap().epoch, Epoch(2));
        let refused = gate.admit_patiently(replica("m2", 3), None, Duration::ZERO).await;
        assert_eq!(refused.unwrap_err().code, RefusalCode::NotOpen);
    }

    #[tokio::test]
    async fn a_client_that_comes_early_waits_and_one_that_comes_late_does_not() {
        let gate = Gate::new(1);
        gate.apply(open(1, &[]));
        let early = gate.admit_patiently(client("r9", 2), None, Duration::from_secs(60));
        let opening = async {
            tokio::task::yield_now().await;
            gate.apply(open(2, &[]));
            tokio::task::yield_now().await;
            let mut door = open(2, &[]);
            door.admitted.insert("r9".into());
            gate.apply(door);
        };
        let (pass, ()) = tokio::join!(early, opening);
        assert_eq!(pass.unwrap().epoch, Epoch(2));
        let late = gate
            .admit_patiently(client("r9", 1), None, Duration::from_secs(60))
            .await;
        assert_eq!(late.unwrap_err().code, RefusalCode::StaleEpoch);
    }

    #[test]
    fn clients_are_limited_and_replicas_are_not() {
        let gate = Gate::new(1);
        gate.apply(open(2, &[]));
        let _first = gate.admit(client("r1", 2), None).unwrap();
        assert_eq!(gate.admit(client("r1", 2), None).unwrap_err().code, RefusalCode::Busy);
        assert!(gate.admit(replica("m2", 2), None).is_ok());
    }

    #[test]
    fn a_lease_that_ended_is_seen_without_anybody_telling() {
        let gate = Gate::new(1);
        assert!(!gate.leased());
        gate.serve_until(Clock.now().after(Duration::from_secs(60)));
        assert!(gate.leased());
        gate.serve_until(Moment::from_micros(1));
        assert!(!gate.leased());
    }
}
