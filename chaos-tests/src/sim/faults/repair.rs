//! What stood still goes on; in the end everything is repaired.

use quorate_agent::machine::Event;

use crate::sim::event::What;
use crate::sim::world::{VOTERS, World};

impl World {
    /// SIGCONT: what came meanwhile is taken in, in order; timers that were due may come first.
    pub(crate) fn unpause(&mut self, host: usize, nonce: u64) {
        if !self.paused[host] || self.pauses[host] != nonce {
            return;
        }
        self.paused[host] = false;
        self.trace.say(self.now, || format!("host {host} goes on"));
        let backlog = std::mem::take(&mut self.backlog[host]);
        if host < self.nodes.len() && self.rng.chance(500) {
            self.stream_word(host);
        }
        for what in backlog {
            self.at(self.now, what);
        }
        if host < self.nodes.len() {
            let life = self.nodes[host].agent.life;
            let event = Box::new(Event::Tick);
            self.after(
                1,
                What::Agent {
                    node: host,
                    life,
                    event,
                },
            );
        }
    }

    pub(crate) fn thaw_server(&mut self, node: usize, nonce: u64) {
        if self.nodes[node].freezes != nonce || !self.nodes[node].frozen {
            return;
        }
        self.nodes[node].frozen = false;
        for what in std::mem::take(&mut self.nodes[node].icebox) {
            self.at(self.now, what);
        }
    }

    /// Everything that is broken is repaired; from here on the tier must find its way.
    pub(crate) fn heal(&mut self) {
        self.trace.say(self.now, || "HEAL".to_owned());
        self.healed = Some(self.now);
        self.network.heal();
        for host in 0..self.paused.len() {
            let nonce = self.pauses[host];
            self.unpause(host, nonce);
        }
        for node in 0..self.nodes.len() {
            let nonce = self.nodes[node].freezes;
            self.thaw_server(node, nonce);
            self.nodes[node].stalled_until = self.nodes[node].stalled_until.min(self.now);
            self.nodes[node].apply = self.nodes[node].apply.min(2_000);
            self.after(500_000, What::AgentStart { node });
        }
        for supervisor in 0..VOTERS {
            self.after(500_000, What::SupervisorStart { supervisor });
        }
        for router in 0..self.routers.len() {
            self.after(500_000, What::RouterStart { router });
        }
        self.mark_progress();
    }
}
