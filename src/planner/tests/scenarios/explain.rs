//! The words: what an operator reads when nothing is promoted, and when something is.

use quorate_model::Plan;

use super::scene::{Scene, revoked};

fn words(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan
        .reasons
        .iter()
        .map(|reason| format!("{}: {}", reason.about, reason.because))
        .collect();
    lines.extend(plan.held_back.iter().map(|held| {
        let until = held.until.map(|until| format!(" (until {} us)", until.as_micros()));
        format!(
            "NOT YET {}: waits for {}{}",
            held.what,
            held.waiting_for,
            until.unwrap_or_default()
        )
    }));
    lines.push(format!("forecast: {}", plan.forecast.note));
    lines.join("\n")
}

#[test]
fn steady() {
    insta::assert_snapshot!(words(&Scene::open().plan()));
}

#[test]
fn primary_killed() {
    let mut scene = Scene::open();
    scene.crash("m1");
    insta::assert_snapshot!(words(&scene.plan()));
}

#[test]
fn blocked_on_a_member() {
    let mut scene = Scene::failed_over();
    scene.hear(revoked("m2", 2, "0-1-100"));
    insta::assert_snapshot!(words(&scene.plan()));
}

#[test]
fn elected_and_waiting() {
    insta::assert_snapshot!(words(&Scene::elected().plan()));
}
