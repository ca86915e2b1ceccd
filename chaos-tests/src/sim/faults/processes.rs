//! Processes that die or stand still, and what operators ask for meanwhile.

use quorate_supervisor::machine::Request;

use super::Fault;
use crate::sim::clock::Micros;
use crate::sim::event::What;
use crate::sim::world::{VOTERS, World};

impl World {
    pub(super) fn fault_freeze(&mut self, fault: &Fault) {
        let node = self.victim();
        let span = self.span();
        if *fault != Fault::FreezeServer {
            self.pause(node, span);
        }
        if *fault != Fault::FreezeAgent && self.nodes[node].server.is_some() {
            self.nodes[node].frozen = true;
            self.nodes[node].freezes += 1;
            let nonce = self.nodes[node].freezes;
            self.after(span, What::ThawServer { node, nonce });
        }
    }

    pub(super) fn fault_supervisors(&mut self) {
        for supervisor in 0..VOTERS {
            self.crash_supervisor(supervisor);
            let wait = self.span();
            self.after(wait, What::SupervisorStart { supervisor });
        }
    }

    pub(super) fn fault_elsewhere(&mut self, fault: &Fault) {
        let leader = self.raft.leader;
        let some = self.rng.index(VOTERS);
        match fault {
            Fault::CrashSupervisor | Fault::CrashLeader => {
                let supervisor = leader.filter(|_| *fault == Fault::CrashLeader).unwrap_or(some);
                self.crash_supervisor(supervisor);
                let wait = self.span();
                self.after(wait, What::SupervisorStart { supervisor });
            }
            Fault::CrashSupervisors => self.fault_supervisors(),
            Fault::FreezeSupervisor | Fault::FreezeLeader => {
                let supervisor = leader.filter(|_| *fault == Fault::FreezeLeader).unwrap_or(some);
                let (host, span) = (self.supervisor_host(supervisor), self.span());
                self.pause(host, span);
            }
            Fault::Election => {
                if self.supervisors[some].machine.is_some() {
                    self.elect(some);
                }
            }
            Fault::CrashRouter | Fault::FreezeRouter => {
                let router = self.rng.index(self.routers.len());
                let span = self.span();
                if *fault == Fault::CrashRouter {
                    self.crash_router(router);
                    self.after(span, What::RouterStart { router });
                } else {
                    let host = self.router_host(router);
                    self.pause(host, span);
                }
            }
            Fault::BreakLinks => {
                for link in 0..self.links.len() {
                    if self.rng.chance(500) {
                        self.break_link(link, true);
                    }
                }
            }
            Fault::BreakStreams => {
                let node = self.victim();
                self.cut_tunnels(node, false);
            }
            Fault::Switchover | Fault::Pause | Fault::Resume => self.fault_operator(fault),
            Fault::Mend(pairs) => {
                for (from, to) in pairs {
                    self.network.unblock(*from, *to);
                }
            }
            Fault::KillServers => {
                for node in 0..self.nodes.len() {
                    if let Some(boot) = self.nodes[node].server.as_ref().map(|server| server.boot) {
                        self.kill_server(node, boot, "killed by signal 9");
                    }
                }
            }
            _ => self.fault_network(fault),
        }
    }

    fn fault_operator(&mut self, fault: &Fault) {
        let why = "an operator plays".to_owned();
        let request = match fault {
            Fault::Switchover => {
                let to = if self.rng.chance(400) {
                    let node = self.rng.index(self.nodes.len());
                    Some(self.nodes[node].id.clone())
                } else {
                    None
                };
                Request::Switchover {
                    to,
                    why,
                    epoch: None,
                    dry_run: false,
                }
            }
            Fault::Pause => {
                let span = self.span();
                self.after(span, What::Fault(Fault::Resume));
                Request::Pause { why }
            }
            _ => Request::Resume { why },
        };
        self.ask(&request);
    }

    /// SIGSTOP.
    pub(crate) fn pause(&mut self, host: usize, span: Micros) {
        self.paused[host] = true;
        self.pauses[host] += 1;
        let nonce = self.pauses[host];
        self.trace
            .say(self.now, || format!("host {host} stands still for {} ms", span / 1000));
        self.after(span, What::Unpause { host, nonce });
    }
}
