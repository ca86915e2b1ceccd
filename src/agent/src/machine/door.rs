//! Who is admitted, whose acknowledgements pass, and where the replica's receiving thread is taken.

use std::collections::BTreeSet;

use quorate_model::{DoorState, LeaseKind, Moment, NodeId, Task};

use super::server::Role;
use super::{Door, Effect, Machine, Target};

impl Machine {
    /// Emits what differs from what the door and the relay were last told.
    pub(super) fn sync_ports(&mut self) {
        let door = self.wanted_door();
        if door != self.door {
            self.note_leaving(&door);
            self.door = door.clone();
            self.out.push(Effect::Door(door));
        }
        let relay = self.wanted_relay();
        if relay != self.relay {
            self.relay.clone_from(&relay);
            self.out.push(Effect::Relay(relay));
        }
    }

    /// A node whose acknowledgements do not pass any more is reported as able until the server was observed after
    /// the cut: the binlog position beside a report without it bounds everything that it acknowledged. Of two observations
    /// that come after the cut at least the second was begun after it.
    fn note_leaving(&mut self, next: &Door) {
        let stays = matches!(next.state, DoorState::Replicas { .. } | DoorState::Open { .. });
        let leaving: BTreeSet<_> = self.door.ackable.difference(&next.ackable).cloned().collect();
        if !stays {
            self.leaving = None;
        } else if !leaving.is_empty() {
            let earlier = self.leaving.take().map(|(nodes, _)| nodes).unwrap_or_default();
            self.leaving = Some((&leaving | &earlier, 2));
        }
    }

    pub(super) fn count_observation(&mut self) {
        self.observed = self.observed.saturating_add(1);
        self.leaving = match self.leaving.take() {
            Some((nodes, left)) if left > 1 => Some((nodes, left.saturating_sub(1))),
            Some(_) | None => None,
        };
    }

    /// Whose acknowledgements pass, as far as the last observation can vouch for it.
    pub(super) fn reported_ackable(&self) -> BTreeSet<NodeId> {
        match &self.leaving {
            Some((nodes, _)) => &self.door.ackable | nodes,
            None => self.door.ackable.clone(),
        }
    }

    /// Until when clients of a primary may be served. The door looks at it before each piece of data, so that an agent
    /// that was stopped for a while serves nobody before it has noticed.
    #[must_use]
    pub fn clients_until(&self) -> Moment {
        match self.door.state {
            DoorState::Open { epoch } => {
                let lease = self.lease.until().filter(|_| self.lease.holds(epoch, self.now));
                lease.max(self.asker.until()).unwrap_or(Moment::ZERO)
            }
            DoorState::Closed | DoorState::Replicas { .. } | DoorState::ReadOnly { .. } => Moment::ZERO,
        }
    }

    pub(super) const fn door(&self) -> &Door {
        &self.door
    }

    fn wanted_door(&self) -> Door {
        let top = self.top_epoch();
        match self.role() {
            Some(Role::Primary(primary)) if primary.armed => {
                let epoch = primary.epoch;
                let task = self.order.as_ref().map(|order| &order.task);
                // During a freeze the replicas still have to receive what was committed under the ending epoch.
                let freezing = matches!(task, Some(Task::Freeze { .. }));
                if epoch != top && !freezing {
                    return Door::closed();
                }
                let serving = self.serving_epoch() == Some(epoch) && epoch == top;
                let leased = self.authority(epoch) != LeaseKind::None;
                let state = if serving && leased {
                    DoorState::Open { epoch }
                } else {
                    DoorState::Replicas { epoch }
                };
                let admitted = match task {
                    Some(Task::Serve { routers, .. }) if serving => routers.clone(),
                    Some(_) | None => BTreeSet::new(),
                };
                Door {
                    state,
                    ackable: primary.ackable.clone(),
                    admitted,
                }
            }
            Some(Role::Replica {
                epoch,
                attached: Some(_),
                ..
            }) if *epoch == top => Door {
                state: DoorState::ReadOnly { epoch: *epoch },
                ..Door::closed()
            },
            Some(Role::Gated | Role::Quiet | Role::Replica { .. } | Role::Primary(_)) | None => Door::closed(),
        }
    }

    /// The relay has a target only while the order says so and its promise is on disk.
    fn wanted_relay(&self) -> Option<Target> {
        let order = self.order.as_ref()?;
        let Task::Follow {
            source: wanted,
            source_door,
        } = &order.task
        else {
            return None;
        };
        match self.role()? {
            Role::Replica { epoch, source, .. }
                if *epoch == order.epoch && source == wanted && self.durable.promised >= *epoch =>
            {
                Some(Target {
                    epoch: *epoch,
                    node: source.clone(),
                    door: source_door.clone(),
                })
            }
            Role::Gated | Role::Quiet | Role::Replica { .. } | Role::Primary(_) => None,
        }
    }
}
