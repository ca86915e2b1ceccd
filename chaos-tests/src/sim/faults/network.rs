//! Hosts that do not hear each other.

use super::Fault;
use crate::sim::clock::Micros;
use crate::sim::event::What;
use crate::sim::world::{VOTERS, World};

impl World {
    pub(super) fn fault_network(&mut self, fault: &Fault) {
        let node = self.victim();
        let hosts = self.paused.len();
        let nodes = self.nodes.len();
        let voters = nodes..nodes + VOTERS;
        let leader = self.supervisor_host(self.raft.leader.unwrap_or(0));
        let span = self.span();
        let pairs: Vec<(usize, usize)> = match fault {
            Fault::CutHost => (0..hosts).map(|other| (node, other)).collect(),
            Fault::CutFromSupervisors => voters.map(|other| (node, other)).collect(),
            Fault::CutFromReplicas => (0..nodes).map(|other| (node, other)).collect(),
            Fault::CutLeader => (0..hosts).map(|other| (leader, other)).collect(),
            Fault::CutRouter => {
                let router = self.router_host(0);
                (0..router).map(|other| (router, other)).collect()
            }
            Fault::CutTwice => {
                let short = self.rng.range(500_000, 1_200_000);
                self.cut((0..nodes).map(|other| (node, other)).collect(), short, false);
                self.cut(voters.map(|other| (node, other)).collect(), short + span, false);
                return;
            }
            Fault::Island => {
                let router = self.router_host(0);
                let island = [node, router];
                let others = || (0..hosts).filter(|other| !island.contains(other));
                let pairs = island
                    .iter()
                    .flat_map(|here| others().map(move |other| (*here, other)))
                    .collect();
                let span = self.rng.range(2_500_000, 5_000_000);
                self.cut(pairs, span, false);
                return;
            }
            Fault::Split => self.halves(node),
            _ => vec![(self.rng.index(hosts), self.rng.index(hosts))],
        };
        let one_way = *fault == Fault::CutOneWay || self.rng.chance(200);
        self.cut(pairs, span, one_way);
    }

    /// Two halves, the victim in the smaller one; a router is with it as often as not.
    fn halves(&mut self, node: usize) -> Vec<(usize, usize)> {
        let hosts = self.paused.len();
        let with: Vec<bool> = (0..hosts).map(|host| host == node || self.rng.chance(300)).collect();
        let both = (0..hosts).flat_map(|a| (0..hosts).map(move |b| (a, b)));
        both.filter(|(a, b)| with[*a] && !with[*b]).collect()
    }

    /// Cuts paths for a while, in both directions or in one.
    fn cut(&mut self, pairs: Vec<(usize, usize)>, span: Micros, one_way: bool) {
        let inward = self.rng.chance(500);
        let mut cut = Vec::new();
        for (a, b) in pairs.into_iter().filter(|(a, b)| a != b) {
            if !one_way || inward {
                cut.push((b, a));
            }
            if !one_way || !inward {
                cut.push((a, b));
            }
        }
        for (from, to) in &cut {
            self.network.block(*from, *to);
        }
        self.trace
            .say(self.now, || format!("cut for {} ms: {cut:?}", span / 1000));
        self.after(span, What::Fault(Fault::Mend(cut)));
    }
}
