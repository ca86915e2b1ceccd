//! `make bench`: every claimed figure as one table, and as JSON.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use quorate_chaos::bench::{self, FaultRun, Figure, Program, Report, Unit, say};
use quorate_chaos::lab::Lab;

/// Measures write gaps and overheads on real servers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measure only these.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Rounds of SIGKILL; freezes and switchovers do a third.
    #[arg(long, default_value_t = 30)]
    rounds: u64,
    #[command(flatten)]
    program: Program,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    const fn third(&self) -> u64 {
        self.rounds.div_ceil(3)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Floor,
    Kill,
    Freeze,
    Switchover,
    Supervisors,
    Door,
    Idle,
    Size,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    arguments.program.run("failover.json", async |binary, report| {
        measure(&arguments, binary, report).await
    })
}

/// Fills the report; whether no acknowledged write was lost.
async fn measure(arguments: &Arguments, binary: &Path, report: &mut Report) -> Result<bool> {
    let wants = |part| arguments.wants(part);
    let third = arguments.third();
    let mut clean = true;
    if wants(Part::Size) {
        #[expect(clippy::cast_precision_loss, reason = "file sizes are far below 2^52")]
        let size = std::fs::metadata(binary)?.len() as f64 / f64::from(1 << 20);
        report
            .figures
            .extend(Figure::of("binary size", Unit::Mebibytes, vec![size], &[("max", 40.0)]));
    }
    if wants(Part::Floor) {
        say(&format!("promoting by hand {third} times …"));
        let gaps = bench::by_hand(third).await?;
        report.figures.extend(Figure::of_gaps(
            "by hand: kill, apply, repoint, open, first write",
            &gaps,
            &[],
        ));
    }
    if [Part::Idle, Part::Door, Part::Kill, Part::Freeze, Part::Switchover]
        .into_iter()
        .any(wants)
    {
        say("booting the lab …");
        let lab = Lab::up(binary)?;
        clean = on_lab(&lab, arguments, report).await?;
    }
    if wants(Part::Supervisors) {
        say("killing every supervisor …");
        let lab = Lab::up_with(binary, &["--restart-delay", "never"])?;
        let gap = bench::without_supervisors(&lab, 3001).await?;
        report
            .figures
            .extend(Figure::of_gaps("longest pause: all supervisors killed", &[gap], &[]));
    }
    Ok(clean)
}

/// The figures that share one lab; whether no acknowledged write was lost.
async fn on_lab(lab: &Lab, arguments: &Arguments, report: &mut Report) -> Result<bool> {
    let third = arguments.third();
    let wants = |part| arguments.wants(part);
    let mut clean = true;
    if wants(Part::Idle) {
        lab.wait_healthy(std::time::Duration::from_secs(60))?;
        say("watching the idle lab for ten seconds …");
        report.figures.extend(bench::idle_costs(lab).await?);
    }
    if wants(Part::Door) {
        say("measuring the door …");
        report.figures.extend(bench::door_overhead(lab).await?);
    }
    if wants(Part::Kill) {
        say(&format!("killing the primary {} times …", arguments.rounds));
        let run = bench::kills(lab, arguments.rounds, 1).await?;
        clean &= add(
            report,
            "write gap: SIGKILL of the primary",
            &run,
            &[("p50", 300.0), ("p99", 1000.0)],
        );
    }
    if wants(Part::Freeze) {
        say(&format!("freezing the primary {third} times …"));
        let run = bench::freezes(lab, third, 1001).await?;
        clean &= add(
            report,
            "write gap: SIGSTOP of agent and server",
            &run,
            &[("p99", 2500.0)],
        );
    }
    if wants(Part::Switchover) {
        say(&format!("switching over {third} times …"));
        let run = bench::switchovers(lab, third, 2001).await?;
        clean &= add(report, "write gap: switchover", &run, &[("p99", 500.0)]);
    }
    Ok(clean)
}

fn add(report: &mut Report, name: &str, run: &FaultRun, targets: &[(&'static str, f64)]) -> bool {
    say(&format!(
        "  {} acknowledged, {} lost, {} phantoms, {} redials",
        run.loss.acknowledged,
        run.loss.lost.len(),
        run.loss.phantoms.len(),
        run.redials
    ));
    report.figures.extend(Figure::of_gaps(name, &run.gaps, targets));
    #[expect(clippy::cast_precision_loss, reason = "counts of lost writes are small")]
    let lost = run.loss.lost.len() as f64;
    report.figures.extend(Figure::of(
        &format!("{name}: acknowledged writes lost"),
        Unit::Count,
        vec![lost],
        &[("max", 0.0)],
    ));
    run.loss.lost.is_empty() && run.loss.phantoms.is_empty()
}
