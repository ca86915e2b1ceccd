//! Metrics: every name, what it means, where it is set. Labels have few values: nodes, phases, kinds.

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use quorate_model::{Moment, Phase, Task};

use crate::machine::{Machine, ProposalOutcome};

static EXPORTER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Upper bounds of the buckets of request durations, in seconds.
const SECONDS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 10.0];

/// Installs the exporter, once in a process. None if the process exports its metrics elsewhere.
pub(crate) fn install() -> Option<PrometheusHandle> {
    let install = || {
        let builder = PrometheusBuilder::new();
        let builder = builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS);
        let handle = builder.and_then(|builder| builder.install_recorder()).ok();
        describe();
        handle
    };
    EXPORTER.get_or_init(install).clone()
}

fn describe() {
    describe_gauge!("quorate_epoch", "The present epoch: grows with every change of primary");
    describe_gauge!(
        "quorate_phase",
        "1 for the phase of the present epoch, 0 for the others"
    );
    describe_gauge!("quorate_leading", "1 if this supervisor leads");
    describe_gauge!(
        "quorate_acting",
        "1 if this supervisor leads and a quorum said so lately"
    );
    describe_gauge!("quorate_paused", "1 while automatic action is paused");
    describe_gauge!("quorate_ack_set", "Replicas that may acknowledge a commit");
    describe_gauge!(
        "quorate_node_silence_seconds",
        "Time since the node's agent was last heard of here"
    );
    describe_gauge!(
        "quorate_node_silence_threshold_seconds",
        "Silence of the node's agent that would be taken for a death"
    );
    describe_gauge!("quorate_links", "Open links to agents, routers and supervisors");
    describe_gauge!(
        "quorate_audit_violations",
        "Invariants that the last plan would break; above 0 nothing is done"
    );
    describe_gauge!("quorate_held_back", "Things that the planner holds back");
    describe_counter!("quorate_orders_total", "Orders sent to agents, by task");
    describe_counter!("quorate_proposals_total", "Proposals to Raft, by outcome");
    describe_histogram!(
        "quorate_api_request_seconds",
        "Time to answer a request of the REST API"
    );
}

/// Sets the gauges that follow the machine.
pub(crate) fn observe(machine: &Machine, now: Moment) {
    let state = machine.state();
    #[expect(clippy::cast_precision_loss, reason = "epochs stay far below 2^52")]
    gauge!("quorate_epoch").set(state.epoch.0 as f64);
    for (phase, name) in [
        (Phase::Forming, "forming"),
        (Phase::Revoking, "revoking"),
        (Phase::Elected, "elected"),
        (Phase::Open, "open"),
    ] {
        gauge!("quorate_phase", "phase" => name).set(flag(state.phase == phase));
    }
    gauge!("quorate_leading").set(flag(machine.leads()));
    gauge!("quorate_acting").set(flag(machine.may_act(now)));
    gauge!("quorate_paused").set(flag(state.paused.is_some()));
    gauge!("quorate_ack_set").set(count(state.ack_set.len()));
    gauge!("quorate_held_back").set(count(machine.plan().map_or(0, |plan| plan.held_back.len())));
    let seen = machine.observations();
    for (node, heard) in &seen.agents {
        let silence = now.since(heard.at).as_secs_f64();
        gauge!("quorate_node_silence_seconds", "node" => node.to_string()).set(silence);
    }
    for (node, threshold) in &seen.thresholds {
        let threshold = threshold.as_secs_f64();
        gauge!("quorate_node_silence_threshold_seconds", "node" => node.to_string()).set(threshold);
    }
}

pub(crate) fn links(open: usize) {
    gauge!("quorate_links").set(count(open));
}

pub(crate) fn violations(found: usize) {
    gauge!("quorate_audit_violations").set(count(found));
}

pub(crate) fn order(task: &Task) {
    let task = match task {
        Task::Revoke => "revoke",
        Task::Freeze { .. } => "freeze",
        Task::Follow { .. } => "follow",
        Task::Promote { .. } => "promote",
        Task::Serve { .. } => "serve",
    };
    counter!("quorate_orders_total", "task" => task).increment(1);
}

pub(crate) fn proposal(outcome: &ProposalOutcome) {
    let outcome = match outcome {
        ProposalOutcome::Replied(quorate_model::Reply::Refused { .. }) => "refused",
        ProposalOutcome::Replied(_) => "applied",
        ProposalOutcome::NotProposed(_) => "not_proposed",
        ProposalOutcome::Unknown(_) => "unknown",
    };
    counter!("quorate_proposals_total", "outcome" => outcome).increment(1);
}

pub(crate) fn request(seconds: f64) {
    histogram!("quorate_api_request_seconds").record(seconds);
}

const fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}
