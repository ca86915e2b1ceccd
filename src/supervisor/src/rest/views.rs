//! From the model to the wire.

use std::cmp::Reverse;
use std::time::Duration;

use quorate_api::rest::{
    DoctorView, EndpointView, EpochView, EventPage, EventView, EvidenceView, ExplainView, FindingView, ForecastView,
    HeldBackView, NodeFindings, ReasonView, RouteView, SeverityView, ViolationView,
};
use quorate_model::{
    Change, Endpoint, EpochRecord, Finding, Forecast, HeldBack, JournalEntry, Moment, Plan, RouteTable, Severity,
    State, Task, differing,
};

use crate::machine::Machine;

mod status;

pub(super) use status::status;

pub(super) fn epoch(record: &EpochRecord) -> EpochView {
    let after = |at: Option<quorate_model::UnixMillis>| at.map(|at| at.0.saturating_sub(record.began_at.0));
    let evidence = record.evidence.iter();
    EpochView {
        epoch: record.epoch.0,
        cause: record.cause.to_string(),
        by: record.by.clone(),
        deposed: record.deposed.as_ref().map(ToString::to_string),
        primary: record.primary.as_ref().map(ToString::to_string),
        token: record.token,
        required: record.required.to_string(),
        positions: record
            .positions
            .iter()
            .map(|(node, at)| (node.to_string(), at.to_string()))
            .collect(),
        began_unix_ms: record.began_at.0,
        elected_after_ms: after(record.elected_at),
        opened_after_ms: after(record.opened_at),
        evidence: evidence
            .map(|it| EvidenceView {
                source: it.source.clone(),
                fact: it.fact.clone(),
            })
            .collect(),
    }
}

pub(super) fn events(state: &State, after: Option<u64>, limit: usize) -> EventPage {
    let journal = &state.journal;
    let from = match after {
        Some(after) => journal.partition_point(|entry| entry.index <= after),
        None => journal.len().saturating_sub(limit),
    };
    let events: Vec<EventView> = journal.range(from..).take(limit).map(event).collect();
    let dropped = journal.len() >= quorate_model::JOURNAL_MAX;
    EventPage {
        next: events.last().map(|event| event.index).or(after).unwrap_or_default(),
        gap: dropped
            && from == 0
            && after.is_some_and(|after| journal.front().is_some_and(|first| first.index > after + 1)),
        events,
    }
}

fn event(entry: &JournalEntry) -> EventView {
    EventView {
        index: entry.index,
        at_unix_ms: entry.at.0,
        by: entry.by.clone(),
        operation: entry.key.to_string(),
        epoch: entry.epoch.0,
        kind: entry.kind.clone(),
        what: entry.what.clone(),
    }
}

pub(super) fn route(table: &RouteTable) -> RouteView {
    let endpoint = |endpoint: &Endpoint| EndpointView {
        node: endpoint.node.to_string(),
        door: endpoint.door.clone(),
    };
    RouteView {
        epoch: table.epoch.0,
        index: table.index,
        revision: table.revision,
        writable: table.writable.as_ref().map(endpoint),
        readable: table.readable.iter().map(endpoint).collect(),
    }
}

pub(super) fn explain(machine: &Machine, now: Moment) -> ExplainView {
    let plan = machine.look(now);
    let violations = machine.violations().iter();
    ExplainView {
        epoch: machine.state().epoch.0,
        may_act: machine.may_act(now),
        changes: plan.changes.iter().map(change).collect(),
        orders: plan
            .orders
            .iter()
            .map(|(node, order)| (node.to_string(), task(&order.task)))
            .collect(),
        leased: plan.lease.as_ref().map(|(node, _)| node.to_string()),
        reasons: reasons(&plan),
        held_back: plan.held_back.iter().map(|it| held_back(it, now)).collect(),
        violations: violations
            .map(|it| ViolationView {
                problem: format!("{}: {}", it.invariant, it.what),
            })
            .collect(),
        forecast: forecast(&plan.forecast),
    }
}

fn reasons(plan: &Plan) -> Vec<ReasonView> {
    plan.reasons
        .iter()
        .map(|it| ReasonView {
            about: it.about.clone(),
            because: it.because.clone(),
        })
        .collect()
}

fn change(change: &Change) -> String {
    match change {
        Change::PolicyChanged { spec } => format!("declare {} nodes", spec.nodes.len()),
        Change::NodeRegistered { node, incarnation, .. } => {
            format!("register {node} with data directory {incarnation}")
        }
        Change::Begin { epoch, cause, .. } => format!("begin epoch {epoch}: {cause}"),
        Change::Elect {
            epoch,
            candidate,
            required,
            ..
        } => format!("elect {candidate} for epoch {epoch} at {required}"),
        Change::Open { epoch, barrier, .. } => format!("open epoch {epoch} from {barrier}"),
        Change::AckSetChanged { ack_set, .. } => {
            let names: Vec<&str> = ack_set.keys().map(quorate_model::NodeId::as_str).collect();
            format!("change the ack set to {{{}}}", names.join(", "))
        }
        Change::RouterAdmitted { router } => format!("admit router {router}"),
        Change::RouterRemoved { router } => format!("forget router {router}"),
        Change::Paused { why } => format!("pause: {why}"),
        Change::Resumed { why } => format!("resume: {why}"),
        Change::Noted { what, why } => format!("note {what}: {why}"),
    }
}

fn task(task: &Task) -> String {
    let names = |set: &std::collections::BTreeSet<quorate_model::NodeId>| {
        set.iter()
            .map(quorate_model::NodeId::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match task {
        Task::Revoke => "receive nothing of earlier epochs and say how far it is".to_owned(),
        Task::Freeze { limit } => format!("freeze commits for at most {} ms", limit.as_millis()),
        Task::Follow { source, .. } => format!("replicate from {source}"),
        Task::Promote { ack_set, .. } => format!("become primary, acknowledged by {{{}}}", names(ack_set)),
        Task::Serve { ack_set, .. } => format!("serve as primary, acknowledged by {{{}}}", names(ack_set)),
    }
}

fn held_back(held: &HeldBack, now: Moment) -> HeldBackView {
    HeldBackView {
        what: held.what.clone(),
        waiting_for: held.waiting_for.clone(),
        until_ms: held.until.map(|until| millis(now.until(until))),
    }
}

fn forecast(forecast: &Forecast) -> ForecastView {
    ForecastView {
        successor: forecast.successor.as_ref().map(ToString::to_string),
        backlog: forecast.backlog,
        note: forecast.note.clone(),
        silence_threshold_ms: forecast.silence_threshold.map(millis),
    }
}

pub(super) fn doctor(machine: &Machine, now: Moment) -> DoctorView {
    let seen = machine.observations();
    let plan = machine.look(now);
    let declared = machine.settings().spec.nodes.keys();
    let nodes: Vec<NodeFindings> = declared
        .map(|node| {
            let report = seen.report(node);
            let mut findings: Vec<FindingView> =
                report.iter().flat_map(|report| &report.findings).map(finding).collect();
            if report.is_none() {
                findings.push(unheard(node.as_str()));
            }
            findings.sort_by_key(|finding| Reverse(finding.severity));
            NodeFindings {
                node: node.to_string(),
                heard_ms: seen.silence(node, now).map(millis),
                findings,
            }
        })
        .collect();
    let cluster = cluster_findings(machine, &plan);
    let all = nodes.iter().flat_map(|node| &node.findings).chain(&cluster);
    DoctorView {
        worst: all.map(|finding| finding.severity).max(),
        cluster,
        nodes,
        forecast: forecast(&plan.forecast),
    }
}

fn cluster_findings(machine: &Machine, plan: &Plan) -> Vec<FindingView> {
    let mut findings = Vec::new();
    for violation in machine.violations() {
        findings.push(FindingView {
            code: "audit".to_owned(),
            severity: SeverityView::Critical,
            problem: format!("{}: {}", violation.invariant, violation.what),
            lost_guarantee: "failover: nothing is done while the audit stops the plan".to_owned(),
            remedy: "report this as a defect, with the output of `quorate explain`".to_owned(),
        });
    }
    if plan.forecast.successor.is_none() {
        findings.push(FindingView {
            code: "no_successor".to_owned(),
            severity: SeverityView::Warning,
            problem: plan.forecast.note.clone(),
            lost_guarantee: "availability: if the primary died now, nobody could take over".to_owned(),
            remedy: "bring the replicas back; `quorate status` shows their condition".to_owned(),
        });
    }
    let seen = machine.observations();
    let declared = machine.settings().spec.nodes.keys();
    let alike: Vec<_> = declared
        .filter_map(|node| Some((node, &seen.report(node)?.alike)))
        .collect();
    findings.extend(differing(&alike).iter().map(finding));
    findings
}

fn unheard(node: &str) -> FindingView {
    FindingView {
        code: "agent.unheard".to_owned(),
        severity: SeverityView::Warning,
        problem: format!("nothing was ever heard of the agent of {node} here"),
        lost_guarantee: "availability: the node counts for nothing".to_owned(),
        remedy: "start its agent and see its log".to_owned(),
    }
}

fn finding(finding: &Finding) -> FindingView {
    FindingView {
        code: finding.code.clone(),
        severity: match finding.severity {
            Severity::Notice => SeverityView::Notice,
            Severity::Warning => SeverityView::Warning,
            Severity::Critical => SeverityView::Critical,
        },
        problem: finding.problem.clone(),
        lost_guarantee: finding.lost_guarantee.clone(),
        remedy: finding.remedy.clone(),
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
