//! Safe(c): what an election may rest on. The heart of the promise (invariants I4, I5, I14).
//!
//! A ground names what a primary must hold so that nothing acknowledged is missing (its *floors*):
//!
//! - *revoked*: every member of the ack set has promised the new epoch, receives nothing any more, and vouches. Whatever was
//!   acknowledged was received by one of them before it was cut, so it is at or before one of their positions.
//! - *dead*: the old primary's agent has promised the new epoch and read the end of the dead server's binlog.
//! - *frozen*: the old primary has promised the new epoch and stands still at a position (switchover).
//! - *pristine*: nobody has ever written (first primary).
//!
//! What a node says of its promise and of its final positions stays true, so the age of a member's report does not
//! matter; that the candidate still lives does, so its report must be fresh.

use quorate_model::{Cause, Evidence, GtidSet, NodeId, Phase, Progress, ServerFacts, ServerState};

use super::view::{View, facts, ms, revoked};

/// What an election may rest on.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) kind: Kind,
    /// Who says that a primary must hold what.
    pub(crate) floors: Vec<(NodeId, GtidSet)>,
    pub(crate) evidence: Vec<Evidence>,
}

/// Which kind of ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Revoked,
    Dead,
    Frozen,
    Pristine,
}

/// The grounds that hold now, and what is missing for others.
#[derive(Debug, Default)]
pub(crate) struct Grounds {
    pub(crate) holding: Vec<Ground>,
    pub(crate) missing: Vec<String>,
}

/// The grounds that hold in the present epoch while it is revoking.
pub(crate) fn grounds(view: &View<'_>) -> Grounds {
    let mut grounds = Grounds::default();
    if view.state.phase != Phase::Revoking {
        return grounds;
    }
    if view.state.timeline.terms().is_empty() {
        pristine(view, &mut grounds);
        return grounds;
    }
    frozen(view, &mut grounds);
    ack_set_revoked(view, &mut grounds);
    dead(view, &mut grounds);
    grounds
}

fn ack_set_revoked(view: &View<'_>, grounds: &mut Grounds) {
    if view.state.ack_set.is_empty() {
        let missing = "the ack set was empty, so nobody but the old primary may hold what it acknowledged";
        grounds.missing.push(missing.to_owned());
        return;
    }
    let mut floors = Vec::new();
    let mut evidence = Vec::new();
    let before = grounds.missing.len();
    for member in view.state.ack_set.keys() {
        match member_position(view, member) {
            // The last that it received belongs to no term: it received nothing of any later one, so it acknowledged
            // nothing of this one, and what it acknowledged before was settled by the election since.
            Ok(received) if !view.state.timeline.errant(received).is_empty() => evidence.push(Evidence::new(
                member,
                format!(
                    "revoked for epoch {}, diverged at {received} before it could acknowledge",
                    view.epoch()
                ),
            )),
            Ok(received) => {
                evidence.push(Evidence::new(
                    member,
                    format!("revoked for epoch {}, received {received}", view.epoch()),
                ));
                floors.push((member.clone(), received.clone()));
            }
            Err(why) => grounds.missing.push(why),
        }
    }
    if grounds.missing.len() == before {
        grounds.holding.push(Ground {
            kind: Kind::Revoked,
            floors,
            evidence,
        });
    }
}

/// The final position of an ack-set member, or why it is not known.
fn member_position<'a>(view: &View<'a>, member: &NodeId) -> Result<&'a GtidSet, String> {
    let epoch = view.epoch();
    let Some(report) = view.report(member) else {
        return Err(format!(
            "{member} may hold acknowledged writes and was not heard of yet"
        ));
    };
    let heard = format!("last heard {} ago", ms(view.silence(member)));
    if view.state.ack_set.get(member) != Some(&report.incarnation) {
        return Err(format!(
            "{member} may have held acknowledged writes, but its data directory was replaced"
        ));
    }
    if !revoked(report, epoch) {
        let state = match (&report.server, &report.progress) {
            (_, Progress::Stuck { why, .. }) => format!("is stuck: {why}"),
            (ServerState::Down { .. } | ServerState::Starting, _) => "is starting behind the gate".to_owned(),
            (ServerState::Running { .. }, _) => "has not confirmed yet".to_owned(),
        };
        return Err(format!(
            "{member} must be revoked for epoch {epoch} and {state} ({heard})"
        ));
    }
    if !report.vouch {
        return Err(format!(
            "{member} does not vouch for everything that it has received ({heard})"
        ));
    }
    facts(report).map(|facts| &facts.received).ok_or_else(|| {
        format!("{member} is revoked, but its server does not run, so its position is not known ({heard})")
    })
}

fn dead(view: &View<'_>, grounds: &mut Grounds) {
    let Some(old) = view.state.deposed.as_ref() else {
        return;
    };
    let Some(report) = view.report(old) else {
        grounds
            .missing
            .push(format!("or the end of the binlog of {old}, which was not heard of"));
        return;
    };
    let harmless = report.promised >= view.epoch()
        && view.known_directory(report)
        && (matches!(report.server, ServerState::Down { .. }) || revoked(report, view.epoch()));
    match &report.final_binlog {
        Some(end) if harmless && end.covers(&view.state.required) => grounds.holding.push(Ground {
            kind: Kind::Dead,
            floors: vec![(old.clone(), end.clone())],
            evidence: vec![Evidence::new(
                old,
                format!("promised epoch {}, server dead, its binlog ends at {end}", view.epoch()),
            )],
        }),
        _ => grounds
            .missing
            .push(format!("or proof of the end of the binlog of {old}, the old primary")),
    }
}

fn frozen(view: &View<'_>, grounds: &mut Grounds) {
    if !is_switchover(view) {
        return;
    }
    let Some(old) = view.state.deposed.as_ref() else {
        return;
    };
    let Some(report) = view.fresh(old).filter(|report| view.known_directory(report)) else {
        return;
    };
    match &report.progress {
        Progress::Frozen { epoch, position } if *epoch == view.epoch() && report.promised >= *epoch => {
            grounds.holding.push(Ground {
                kind: Kind::Frozen,
                floors: vec![(old.clone(), position.clone())],
                evidence: vec![Evidence::new(old, format!("commits frozen at {position}"))],
            });
        }
        _ => grounds.missing.push(format!("{old} has not frozen its commits yet")),
    }
}

fn pristine(view: &View<'_>, grounds: &mut Grounds) {
    let mut evidence = Vec::new();
    for node in view.spec.nodes.keys() {
        match view.report(node) {
            Some(report) if facts(report).is_some() && !report.pristine => grounds.missing.push(format!(
                "{node} has been written to: the first primary starts from nothing"
            )),
            Some(report) if report.pristine => evidence.push(Evidence::new(node, "initialised and never written to")),
            // It was pristine when the epoch began, and nobody could write since.
            Some(_) | None => {}
        }
    }
    if grounds.missing.is_empty() {
        grounds.holding.push(Ground {
            kind: Kind::Pristine,
            floors: Vec::new(),
            evidence,
        });
    }
}

/// Whether the present epoch began as a switchover.
pub(crate) fn is_switchover(view: &View<'_>) -> bool {
    view.state
        .operation
        .as_ref()
        .is_some_and(|operation| matches!(operation.cause, Cause::Switchover { .. }))
}

/// Whether `node` may lead the epoch on this ground; what it holds, or why not.
pub(crate) fn safe<'a>(view: &View<'a>, node: &NodeId, ground: &Ground) -> Result<&'a ServerFacts, String> {
    let Some(report) = view.fresh(node) else {
        return Err(format!("{node} is silent for {}", ms(view.silence(node))));
    };
    let Some(facts) = facts(report) else {
        return Err(format!("the server of {node} does not run"));
    };
    if view.spec.nodes.get(node).is_none_or(|spec| spec.priority == 0) {
        return Err(format!("{node} has priority 0: it never leads"));
    }
    if !view.known_directory(report) {
        return Err(format!("the data directory of {node} is not the registered one"));
    }
    let still = revoked(report, view.epoch());
    let follows = matches!(report.progress, Progress::Following { .. }) && report.vouch;
    let may_follow = ground.kind == Kind::Frozen && Some(node) != view.state.deposed.as_ref();
    let fits = still || (may_follow && follows);
    if !fits {
        return Err(format!("{node} is not revoked for epoch {} yet", view.epoch()));
    }
    if let Some(gtid) = view.errant(facts).first() {
        return Err(format!("{node} holds {gtid}, which nobody was entitled to write"));
    }
    if !facts.received.covers(&view.state.required) {
        return Err(format!(
            "{node} has {}, less than the agreed {}",
            facts.received, view.state.required
        ));
    }
    if ground.kind == Kind::Pristine && !report.pristine {
        return Err(format!("{node} has been written to"));
    }
    for (source, floor) in &ground.floors {
        if !facts.received.covers(floor) {
            return Err(format!("{node} has {}, less than {floor} of {source}", facts.received));
        }
    }
    Ok(facts)
}
