//! `explain`: what is done now, what is not, and why.

use quorate_api::rest::ExplainView;

use super::connect::{client, problem};
use super::{Global, time};
use crate::output::{Console, Exit};

pub(super) async fn run(console: Console, global: &Global) -> anyhow::Result<Exit> {
    let view = client(global)?.explain().await.map_err(problem)?;
    if console.json {
        console.document(&view)?;
    } else {
        print(console, &view);
    }
    Ok(if view.violations.is_empty() {
        Exit::Ok
    } else {
        Exit::Degraded
    })
}

fn print(console: Console, view: &ExplainView) {
    let may = if view.may_act {
        "the leader may act"
    } else {
        "the leader may NOT act: no quorum acknowledged it lately"
    };
    console.line(format_args!("epoch {}; {may}", view.epoch));
    for violation in &view.violations {
        console.line(format_args!("STOPPED by the audit: {}", violation.problem));
    }
    for change in &view.changes {
        console.line(format_args!("decides: {change}"));
    }
    for (node, order) in &view.orders {
        console.line(format_args!("orders {node}: {order}"));
    }
    if let Some(leased) = &view.leased {
        console.line(format_args!("leases the door of {leased}"));
    }
    for reason in &view.reasons {
        console.line(format_args!("because {}: {}", reason.about, reason.because));
    }
    for held in &view.held_back {
        let until = held
            .until_ms
            .map_or_else(String::new, |ms| format!(", for {} at most", time::span(ms)));
        console.line(format_args!(
            "holds back: {}; waits for {}{until}",
            held.what, held.waiting_for
        ));
    }
    let next = view.forecast.successor.as_deref().unwrap_or("nobody");
    console.line(format_args!("if the primary died now: {next}; {}", view.forecast.note));
}
