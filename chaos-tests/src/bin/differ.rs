//! Random statements, directly and through the router, for as long as one likes.
//!
//! ```text
//! cargo run -p quorate-chaos --bin differ -- --statements 100000
//! ```
//! It starts a lab of its own unless one is named, and prints the seed with which a run can be repeated.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use quorate_chaos::differ::{Differ, side};
use quorate_chaos::lab::{Lab, binary};
use quorate_chaos::wire::{Login, Session};

/// Compare random statements, directly and through the router.
#[derive(Debug, Parser)]
struct Arguments {
    /// What decides everything; a random one unless given
    #[arg(long)]
    seed: Option<u64>,
    /// How many steps
    #[arg(long, default_value_t = 20_000)]
    statements: usize,
    /// The `quorate` binary; the one beside this program unless given
    #[arg(long)]
    quorate: Option<PathBuf>,
    /// A lab that runs, instead of one of its own
    #[arg(long)]
    lab: Option<PathBuf>,
    /// Go around the router on both sides: what differs then is the server's own doing
    #[arg(long)]
    control: bool,
}

#[expect(clippy::print_stdout, reason = "a program for people")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let quorate = match arguments.quorate {
        Some(path) => path,
        None => binary()?,
    };
    let lab = match arguments.lab {
        Some(dir) => Lab::join(&quorate, &dir),
        None => Lab::up(&quorate)?,
    };
    let info = lab.info()?;
    let primary = lab.status()?.primary.context("nobody leads")?;
    let account = info.accounts.get("admin").context("no account `admin` in lab.json")?;
    let login = |address: &str| Login {
        address: address.to_owned(),
        user: account.user.clone(),
        password: account.password.clone(),
        database: None,
        caps: 0,
        collation: None,
    };
    let direct = login(&info.node(&primary)?.direct);
    let through = if arguments.control {
        direct.clone()
    } else {
        login(&info.routers.first().context("no router")?.rw)
    };
    let sides = [
        side(&direct, &direct, "differ_around")?,
        side(&through, &direct, "differ_thrugh")?,
    ];
    let position = Session::open(&direct)?.value("SELECT @@gtid_binlog_pos")?;
    for node in info.mariadb.iter().filter(|node| node.id != primary) {
        let waited =
            Session::open(&login(&node.direct))?.value(&format!("SELECT MASTER_GTID_WAIT('{position}', 60)"))?;
        ensure!(waited == "0", "{} does not get to {position}", node.id);
    }
    let summary = Differ::new(sides, seed)?.run(arguments.statements)?;
    println!(
        "equal: {} replies, {} of them errors, {} rows",
        summary.replies, summary.errors, summary.rows
    );
    Ok(())
}
