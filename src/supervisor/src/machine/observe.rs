//! What was seen: reports, links, views. Every voter observes, so that a new leader has its own evidence.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::{
    AgentReport, Cause, Link, Moment, NodeId, Phase, RouterReport, Seen, ServerState, State, VoterView,
};

use super::{Effect, Machine};

/// How often the other voters are told what is seen here: a little less than two ticks, lest a late tick cost a third one.
const VIEW_EVERY: Duration = Duration::from_millis(90);
/// Over how long silence-caused failovers are counted.
const SUSPICION_WINDOW: Duration = Duration::from_secs(600);

impl Machine {
    pub(super) fn applied(&mut self, now: Moment, state: Arc<State>, effects: &mut Vec<Effect>) {
        if state.index < self.state.index {
            return;
        }
        let before = std::mem::replace(&mut self.state, state);
        if (before.epoch, before.phase) != (self.state.epoch, self.state.phase) {
            self.seen.phase_since = now;
        }
        self.policy_changed(now, &before);
        // A first look at an old log is no news.
        if before.index > 0 {
            let news = self.state.history.iter().filter(|record| record.epoch > before.epoch);
            let suspected = news.filter(|record| {
                matches!(
                    record.cause,
                    Cause::PrimarySilent | Cause::ReplicationCut | Cause::DiskStalled
                )
            });
            self.suspicions.extend(suspected.map(|_| now));
        }
        self.settle(effects);
        self.decide(now, effects);
    }

    pub(super) fn agent_connected(&mut self, now: Moment, node: &NodeId, effects: &mut Vec<Effect>) {
        self.seen.links.insert(
            node.clone(),
            Link {
                connected: true,
                since: now,
                reset: false,
            },
        );
        self.send_again(node);
        self.decide(now, effects);
    }

    pub(super) fn agent_disconnected(&mut self, now: Moment, node: NodeId, reset: bool, effects: &mut Vec<Effect>) {
        if let Some(rhythm) = self.rhythms.get_mut(&node) {
            rhythm.interrupt();
        }
        self.seen.links.insert(
            node,
            Link {
                connected: false,
                since: now,
                reset,
            },
        );
        // At once: the leader may be waiting for a second voter's word.
        self.view(now, effects);
        self.decide(now, effects);
    }

    pub(super) fn report(&mut self, now: Moment, report: AgentReport, effects: &mut Vec<Effect>) {
        let node = report.node.clone();
        if !self.is_declared(&node) {
            return;
        }
        let policy = self
            .state
            .spec
            .as_ref()
            .map_or(&self.settings.spec.policy, |spec| &spec.policy);
        let rhythm = self.rhythms.entry(node.clone()).or_default();
        rhythm.beat(now, policy);
        self.seen.thresholds.insert(node.clone(), rhythm.threshold(policy));
        let link = self.seen.links.get(&node);
        if link.is_none_or(|link| !link.connected) {
            self.seen.links.insert(
                node.clone(),
                Link {
                    connected: true,
                    since: now,
                    reset: false,
                },
            );
        }
        let seq = report.seq;
        let news = is_news(self.seen.report(&node), &report);
        self.seen.hear(now, report);
        // While the epoch is open, positions move with every report and decide nothing until the next tick.
        if news || self.state.phase != Phase::Open {
            self.decide(now, effects);
        }
        self.grant(now, &node, seq, effects);
    }

    pub(super) fn router_report(&mut self, now: Moment, report: RouterReport, effects: &mut Vec<Effect>) {
        let router = report.router.clone();
        let confirmed = report.confirmed;
        let before = self.seen.routers.insert(router, Seen { at: now, value: report });
        if before.is_none_or(|before| before.value.confirmed != confirmed) {
            self.decide(now, effects);
        }
    }

    pub(super) fn voter_view(&mut self, now: Moment, view: VoterView, effects: &mut Vec<Effect>) {
        if view.voter == self.settings.me {
            return;
        }
        let voter = view.voter.clone();
        let disconnected = view.disconnected.clone();
        let before = self.seen.voters.insert(voter, Seen { at: now, value: view });
        if before.map_or(!disconnected.is_empty(), |before| {
            before.value.disconnected != disconnected
        }) {
            self.decide(now, effects);
        }
    }

    pub(super) fn view_if_due(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if self.viewed.is_none_or(|viewed| now.since(viewed) >= VIEW_EVERY) {
            self.view(now, effects);
        }
    }

    fn view(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        self.viewed = Some(now);
        let links = self.seen.links.iter();
        effects.push(Effect::View(VoterView {
            voter: self.settings.me.clone(),
            silence: self
                .seen
                .agents
                .iter()
                .map(|(node, seen)| (node.clone(), now.since(seen.at)))
                .collect(),
            disconnected: links
                .filter(|(_, link)| !link.connected)
                .map(|(node, _)| node.clone())
                .collect(),
        }));
    }

    /// Counts the suspicions of the last ten minutes.
    pub(super) fn age_suspicions(&mut self, now: Moment) {
        while self
            .suspicions
            .front()
            .is_some_and(|&began| now.since(began) > SUSPICION_WINDOW)
        {
            self.suspicions.pop_front();
        }
        self.seen.recent_suspicions = u32::try_from(self.suspicions.len()).unwrap_or(u32::MAX);
    }

    fn is_declared(&self, node: &NodeId) -> bool {
        self.settings.spec.nodes.contains_key(node)
            || self
                .state
                .spec
                .as_ref()
                .is_some_and(|spec| spec.nodes.contains_key(node))
    }
}

/// Whether a report says something that may change a decision at once. Positions and ages alone do not.
fn is_news(before: Option<&AgentReport>, after: &AgentReport) -> bool {
    before.is_none_or(|before| {
        before.progress != after.progress
            || server_kind(&before.server) != server_kind(&after.server)
            || before.boot_nonce != after.boot_nonce
            || before.incarnation != after.incarnation
            || (before.promised, before.fenced, before.door) != (after.promised, after.fenced, after.door)
            || before.ackable != after.ackable
            || before.admitted != after.admitted
            || (before.vouch, before.pristine, before.wants_handover)
                != (after.vouch, after.pristine, after.wants_handover)
            || before.source_silence.is_some() != after.source_silence.is_some()
            || before.final_binlog != after.final_binlog
    })
}

const fn server_kind(server: &ServerState) -> u8 {
    match server {
        ServerState::Down { .. } => 0,
        ServerState::Starting => 1,
        ServerState::Running { .. } => 2,
    }
}
