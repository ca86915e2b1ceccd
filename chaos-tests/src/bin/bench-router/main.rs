//! `make bench-router`: what the router costs beside HAProxy and beside nothing, as one table and as JSON.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use quorate_chaos::bench::router::{self, Load, Mode, PathName, Plan, Stage};
use quorate_chaos::bench::{Program, Report, say};
use quorate_chaos::lab::Lab;

/// Measures every path to a server in the same rounds, on real servers.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measure only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Compare only these paths.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = PathName::ALL)]
    paths: Vec<PathName>,
    /// What sysbench does; the first load is run with prepared statements too.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Load::ALL)]
    loads: Vec<Load>,
    /// Connections at a time.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long sysbench runs on one path in one round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    #[command(flatten)]
    program: Program,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Added median of the smallest statements.
    Latency,
    /// sysbench: CPU per query, throughput.
    Sysbench,
    /// A result of 1 GiB.
    Bulk,
    /// Ten thousand idle sessions.
    Idle,
    /// Failovers under 64 connections.
    Failover,
    /// Failovers under five thousand connections that all write at once.
    Storm,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn plan(&self) -> Plan {
        let mut loads: Vec<(Load, Mode)> = self.loads.iter().map(|load| (*load, Mode::Text)).collect();
        if let Some(first) = self.loads.first() {
            loads.insert(1, (*first, Mode::Prepared));
        }
        Plan {
            loads,
            connections: self.connections.clone(),
            rounds: self.rounds,
            seconds: self.seconds,
        }
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    arguments.program.run("router.json", async |binary, report| {
        measure(&arguments, binary, report).await
    })
}

async fn measure(arguments: &Arguments, binary: &Path, report: &mut Report) -> Result<bool> {
    say("booting the lab …");
    let lab = Lab::up(binary)?;
    let mut stage = Stage::set(&lab, &arguments.paths).await?;
    if arguments.wants(Part::Latency) {
        say("asking the smallest statements; median of each path:");
        let figures = router::added_latency(&stage, &arguments.connections, arguments.rounds, say)?;
        report.figures.extend(figures);
    }
    if arguments.wants(Part::Sysbench) {
        say("running sysbench; mean latency and CPU per query of each path:");
        let figures = router::cpu_per_query(&mut stage, &arguments.plan(), say)?;
        report.figures.extend(figures);
    }
    if arguments.wants(Part::Bulk) {
        say("fetching a gibibyte on each path:");
        report.figures.extend(router::bulk_rate(&stage, arguments.rounds, say)?);
    }
    if arguments.wants(Part::Idle) {
        say("opening ten thousand sessions …");
        report.figures.extend(router::idle_sessions(&stage, say)?);
    }
    if arguments.wants(Part::Failover) {
        say("killing the primary under load …");
        let figures = router::failovers(&stage, arguments.rounds, say).await?;
        report.figures.extend(figures);
    }
    if arguments.wants(Part::Storm) {
        say("killing the primary, and then five thousand clients write …");
        report.figures.extend(router::storms(&stage, arguments.rounds, say)?);
    }
    Ok(true)
}
