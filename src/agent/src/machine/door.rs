//! Who is admitted, whose acknowledgements pass, and where the replica's receiving thread is taken.

use std::collections::BTreeSet;

use quorate_model::{DoorState, LeaseKind, Task};

use super::server::Role;
use super::{Door, Effect, Machine, Target};

impl Machine {
    /// Emits what differs from what the door and the relay were last told.
    pub(super) fn sync_ports(&mut self) {
        let door = self.wanted_door();
        if door != self.door {
            self.door = door.clone();
            self.out.push(Effect::Door(door));
        }
        let relay = self.wanted_relay();
        if relay != self.relay {
            self.relay.clone_from(&relay);
            self.out.push(Effect::Relay(relay));
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
