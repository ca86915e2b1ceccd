//! `doctor`: which guarantee is weaker than declared, and what to do.

use quorate_api::rest::{DoctorView, FindingView, SeverityView};

use super::connect::{client, problem};
use super::{Global, time};
use crate::output::{Console, Exit, Tone, table};

pub(super) async fn run(console: Console, global: &Global) -> anyhow::Result<Exit> {
    let view = client(global)?.doctor().await.map_err(problem)?;
    if console.json {
        console.document(&view)?;
    } else {
        print(console, &view);
    }
    Ok(match view.worst {
        None | Some(SeverityView::Notice) => Exit::Ok,
        Some(SeverityView::Warning | SeverityView::Critical) => Exit::Degraded,
    })
}

fn print(console: Console, view: &DoctorView) {
    let mut rows: Vec<_> = view.cluster.iter().map(|finding| row("cluster", finding)).collect();
    for node in &view.nodes {
        rows.extend(node.findings.iter().map(|finding| row(&node.node, finding)));
        match node.heard_ms {
            None => console.line(format_args!("{} was never heard of", node.node)),
            Some(ms) if ms > 2_000 => {
                console.line(format_args!("{} was last heard of {} ago", node.node, time::span(ms)));
            }
            Some(_) => {}
        }
    }
    if rows.is_empty() {
        console.line("every guarantee holds: nothing was found");
    } else {
        console.line(table(
            console,
            &["where", "severity", "problem", "lost guarantee", "remedy"],
            rows,
        ));
    }
    let next = view.forecast.successor.as_deref().unwrap_or("nobody");
    console.line(format_args!("if the primary died now: {next}; {}", view.forecast.note));
}

fn row(place: &str, finding: &FindingView) -> Vec<(String, Tone)> {
    let severity = match finding.severity {
        SeverityView::Notice => ("notice", Tone::Plain),
        SeverityView::Warning => ("warning", Tone::Middling),
        SeverityView::Critical => ("critical", Tone::Bad),
    };
    vec![
        (place.to_owned(), Tone::Strong),
        (severity.0.to_owned(), severity.1),
        (format!("{} ({})", finding.problem, finding.code), Tone::Plain),
        (finding.lost_guarantee.clone(), Tone::Plain),
        (finding.remedy.clone(), Tone::Plain),
    ]
}
