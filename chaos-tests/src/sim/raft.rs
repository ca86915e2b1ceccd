//! An agreed log with a leader: terms, commit latency, leaders that do not know that they were replaced, proposals whose
//! outcome is unknown. What matters to its users is kept: a quorum for everything, and no hole in the log.

use std::sync::Arc;

use quorate_model::{Change, Command, Phase, Reply, State};
use quorate_supervisor::machine::{self as supervisor, ProposalOutcome};

use super::clock::Micros;
use super::event::{Agreed, What};
use super::world::{VOTERS, World};

const BEAT: Micros = 80_000;

/// What the voters share.
#[derive(Debug)]
pub(crate) struct Raft {
    pub(crate) term: u64,
    pub(crate) leader: Option<usize>,
    /// The agreed state after each committed command; the first is the empty one.
    pub(crate) states: Vec<Agreed>,
    index: u64,
    pending: Vec<Command>,
    /// When a quorum last answered the leader.
    quorum_at: Micros,
    patience: Micros,
}

impl Default for Raft {
    fn default() -> Self {
        Self {
            term: 0,
            leader: None,
            states: vec![Arc::default()],
            index: 0,
            pending: Vec::new(),
            quorum_at: 0,
            patience: 0,
        }
    }
}

impl Raft {
    /// What is agreed, whoever knows it already.
    pub(crate) fn agreed(&self) -> &Agreed {
        &self.states[self.states.len() - 1]
    }

    const fn committed(&self) -> usize {
        self.states.len() - 1
    }
}

impl World {
    fn votes(&self, supervisor: usize) -> bool {
        self.supervisors[supervisor].machine.is_some() && !self.paused[self.supervisor_host(supervisor)]
    }

    fn has_quorum(&self, leader: usize) -> bool {
        let here = self.supervisor_host(leader);
        let reached = (0..VOTERS)
            .filter(|voter| {
                *voter == leader || (self.votes(*voter) && self.network.both(here, self.supervisor_host(*voter)))
            })
            .count();
        self.votes(leader) && reached * 2 > VOTERS
    }

    pub(crate) fn raft_beat(&mut self) {
        self.after(BEAT, What::RaftBeat);
        if let Some(leader) = self.raft.leader.filter(|leader| self.has_quorum(*leader)) {
            self.raft.quorum_at = self.now;
            let wait = 2 * self.network.delay(&mut self.rng);
            let term = self.raft.term;
            self.after(wait, What::RaftAcked { term, sent: self.now });
            self.replicate(leader);
            return;
        }
        if self.raft.patience == 0 {
            self.raft.patience = self.config.election + self.rng.below(300_000);
        }
        if self.now - self.raft.quorum_at < self.raft.patience {
            return;
        }
        let candidates: Vec<usize> = (0..VOTERS).filter(|voter| self.has_quorum(*voter)).collect();
        if !candidates.is_empty() {
            let winner = candidates[self.rng.index(candidates.len())];
            self.elect(winner);
        }
    }

    /// Followers hear of what was committed, and of a new term.
    fn replicate(&mut self, leader: usize) {
        let here = self.supervisor_host(leader);
        let (term, upto) = (self.raft.term, self.raft.committed());
        for voter in (0..VOTERS).filter(|voter| *voter != leader) {
            if !self.votes(voter) || !self.network.both(here, self.supervisor_host(voter)) {
                continue;
            }
            let life = self.supervisors[voter].life;
            let wait = self.network.delay(&mut self.rng);
            if self.supervisors[voter].leads.is_some_and(|led| led < term) {
                self.after(
                    wait,
                    What::RaftStepDown {
                        supervisor: voter,
                        life,
                        term,
                    },
                );
            }
            if self.supervisors[voter].applied < upto {
                self.after(
                    wait,
                    What::RaftApply {
                        supervisor: voter,
                        life,
                        upto,
                    },
                );
            }
        }
        if self.supervisors[leader].applied < upto {
            let life = self.supervisors[leader].life;
            self.after(
                1_000,
                What::RaftApply {
                    supervisor: leader,
                    life,
                    upto,
                },
            );
        }
    }

    /// A new term: some of what the old leader proposed last is in the log, the rest never will be.
    pub(crate) fn elect(&mut self, winner: usize) {
        let kept = self.rng.index(self.raft.pending.len() + 1);
        let pending = std::mem::take(&mut self.raft.pending);
        for command in pending.into_iter().take(kept) {
            self.commit(&command);
        }
        self.raft.term += 1;
        self.raft.leader = Some(winner);
        self.raft.quorum_at = self.now;
        self.raft.patience = 0;
        // The blank entry that every term begins with.
        self.raft.index += 1;
        let mut state: State = (**self.raft.agreed()).clone();
        state.index = self.raft.index;
        self.raft.states.push(Arc::new(state));
        let (term, upto) = (self.raft.term, self.raft.committed());
        self.trace
            .say(self.now, || format!("raft: s{} leads term {term}", winner + 1));
        let life = self.supervisors[winner].life;
        let wait = self.rng.range(500, 30_000);
        self.after(
            wait,
            What::RaftApply {
                supervisor: winner,
                life,
                upto,
            },
        );
        self.after(
            wait + 1,
            What::RaftLead {
                supervisor: winner,
                life,
                term,
            },
        );
    }

    pub(crate) fn raft_lead(&mut self, supervisor: usize, life: u32, term: u64) {
        if self.raft.term == term && self.supervisors[supervisor].life == life {
            self.supervisors[supervisor].leads = Some(term);
            self.tell_supervisor(supervisor, supervisor::Event::Leadership { leading: true, term });
        }
    }

    pub(crate) fn raft_step_down(&mut self, supervisor: usize, life: u32, term: u64) {
        let host = &mut self.supervisors[supervisor];
        if host.life != life || host.leads.is_none_or(|led| led >= term) {
            return;
        }
        host.leads = None;
        let limbo = std::mem::take(&mut host.limbo);
        for key in limbo {
            let outcome = ProposalOutcome::Unknown("the term is over".to_owned());
            self.tell_supervisor(supervisor, supervisor::Event::ProposalDone { key, outcome });
        }
        self.tell_supervisor(supervisor, supervisor::Event::Leadership { leading: false, term });
    }

    pub(crate) fn raft_acked(&mut self, term: u64, sent: Micros) {
        let Some(leader) = self.raft.leader else { return };
        if self.raft.term != term || self.supervisors[leader].leads != Some(term) {
            return;
        }
        let clock = self.supervisors[leader].clock;
        let age = clock.local(self.now).since(clock.local(sent));
        self.tell_supervisor(leader, supervisor::Event::QuorumAcked { age });
    }

    pub(crate) fn propose(&mut self, supervisor: usize, command: Command) {
        let key = command.key.clone();
        let (leads, term) = (self.supervisors[supervisor].leads, self.raft.term);
        if leads.is_none() || self.rng.chance(10) {
            let outcome = ProposalOutcome::NotProposed("no leader here".to_owned());
            let life = self.supervisors[supervisor].life;
            let event = Box::new(supervisor::Event::ProposalDone { key, outcome });
            self.after(
                100,
                What::Supervisor {
                    supervisor,
                    life,
                    event,
                },
            );
            return;
        }
        self.supervisors[supervisor].limbo.push(key);
        if leads == Some(term) && self.raft.leader == Some(supervisor) {
            self.raft.pending.push(command);
            let wait = 1_000 + 2 * self.network.delay(&mut self.rng) + self.rng.below(5_000);
            self.after(wait, What::RaftCommit { term });
        }
    }

    pub(crate) fn raft_commit(&mut self, term: u64) {
        let Some(leader) = self.raft.leader else { return };
        if self.raft.term != term || self.raft.pending.is_empty() {
            return;
        }
        if !self.has_quorum(leader) {
            self.after(50_000, What::RaftCommit { term });
            return;
        }
        let pending = std::mem::take(&mut self.raft.pending);
        let mut replies = Vec::new();
        for command in pending {
            let reply = self.commit(&command);
            replies.push((command.key, reply));
        }
        let life = self.supervisors[leader].life;
        let upto = self.raft.committed();
        let wait = self.rng.below(2_000);
        self.after(
            wait,
            What::RaftApply {
                supervisor: leader,
                life,
                upto,
            },
        );
        for (key, reply) in replies {
            self.supervisors[leader].limbo.retain(|other| *other != key);
            // Before or after the state, or never: the journal has it too.
            if matches!(reply, Reply::Refused { .. }) || self.rng.chance(900) {
                let wait = self.rng.below(3_000);
                let outcome = ProposalOutcome::Replied(reply);
                let event = Box::new(supervisor::Event::ProposalDone { key, outcome });
                self.after(
                    wait,
                    What::Supervisor {
                        supervisor: leader,
                        life,
                        event,
                    },
                );
            }
        }
    }

    fn commit(&mut self, command: &Command) -> Reply {
        self.raft.index += 1;
        let before = self.raft.agreed().clone();
        let mut state: State = (*before).clone();
        let reply = state.apply(self.raft.index, command);
        let index = self.raft.index;
        self.trace
            .say(self.now, || format!("raft: {index} {:?} -> {reply:?}", command.change));
        let applied = matches!(reply, Reply::Applied { .. });
        self.raft.states.push(Arc::new(state));
        if applied {
            self.judge_commit(&before, command);
            self.record_decision(&before, command);
            self.ambush(&command.change);
        }
        reply
    }

    /// What a committed command must not do (I1, I4, I5, I19).
    fn judge_commit(&mut self, before: &State, command: &Command) {
        let after = self.raft.agreed().clone();
        if after.epoch < before.epoch {
            self.breach("I1", format!("epoch {} after {}", after.epoch, before.epoch));
        }
        match &command.change {
            Change::Begin { .. } if before.paused.is_some() => {
                self.breach("I19", "an epoch began while paused".to_owned());
            }
            Change::Elect { candidate, .. } => {
                if before.phase != Phase::Revoking {
                    self.breach("I1", format!("a second election in epoch {}", after.epoch));
                }
                let candidate = candidate.clone();
                self.judge_election(before, &candidate);
            }
            Change::Open { .. } => self.judge_opening(),
            _ => {}
        }
    }

    pub(crate) fn raft_apply(&mut self, supervisor: usize, life: u32, upto: usize) {
        let host = &mut self.supervisors[supervisor];
        if host.life != life || host.applied >= upto {
            return;
        }
        host.applied = upto;
        let state = self.raft.states[upto].clone();
        self.tell_supervisor(supervisor, supervisor::Event::Applied(state));
    }
}
