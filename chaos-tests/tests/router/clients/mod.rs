//! Real clients run `suite.txt` directly and through the router; what they print must be the same, byte for byte.
//!
//! Pinned versions are installed below the target folder on first use. Without network or tool chain a test says that it was
//! skipped; on a build server it fails.

mod async_rust;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::Login;

use crate::Case;
use crate::world::{DATABASE, PASSWORD, USER, World};

pub(crate) const CASES: &[Case] = &[
    ("clients_mysql_async", mysql_async),
    ("clients_mariadb_connector_c", connector_c),
    ("clients_pymysql", pymysql),
    ("clients_node", node),
    ("clients_go", go),
];

/// Tables that an earlier run has left, whose notes this client would print.
const NOTHING_LEFT: &str = "SET sql_notes = 0//\n\
    DROP TABLE IF EXISTS types, tx, nums, loaded, parent, child, json, wide//\n\
    SET sql_notes = 1//\n";

/// Where the suite and the programs that run it are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/router/clients")
}

fn suite() -> PathBuf {
    folder().join("suite.txt")
}

/// A file to load.
fn data(world: &World) -> Result<PathBuf> {
    let path = world.file("loaded.csv");
    std::fs::write(&path, "1,one\n2,zwölf\n3,\n")?;
    Ok(path)
}

/// Runs the suite both ways; the same must be printed, and it must be much.
fn compare(world: &World, run: impl Fn(&Login) -> Result<String>) -> Result<()> {
    let mut printed = Vec::new();
    for login in [world.around()?, world.through()?] {
        // Ports differ, and are none of the suite's business.
        printed.push(run(&login).with_context(|| format!("at {}", login.address))?);
    }
    ensure!(printed[0].lines().count() > 300, "too little was done:\n{}", printed[0]);
    let (mut around, mut through) = (printed[0].lines(), printed[1].lines());
    let mut last = "";
    loop {
        let (one, two) = (around.next(), through.next());
        ensure!(one == two, "after {last}\n  directly: {one:?}\n  through:  {two:?}");
        match one {
            None => return Ok(()),
            Some(line) if !line.starts_with(' ') => last = line,
            Some(_) => {}
        }
    }
}

/// What a program prints that takes the suite, the address, the password and the file.
fn program(world: &World, command: &Command) -> Result<()> {
    let data = data(world)?;
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let name = command.get_program().to_owned();
    compare(world, |login| {
        let (host, port) = login.address.rsplit_once(':').context("address without port")?;
        let mut command = Command::new(&name);
        tools::output(command.args(&args).arg(suite()).args([host, port, PASSWORD]).arg(&data))
    })
}

fn mysql_async(world: &World) -> Result<()> {
    let data = data(world)?;
    compare(world, |login| async_rust::run(login, &suite(), &data))
}

fn pymysql(world: &World) -> Result<()> {
    let Some(python) = tools::python(&folder())? else {
        return Ok(());
    };
    let mut command = Command::new(python);
    command.arg(folder().join("python/run.py"));
    program(world, &command)
}

fn node(world: &World) -> Result<()> {
    let Some(script) = tools::node(&folder())? else {
        return Ok(());
    };
    let mut command = Command::new("node");
    command.arg(script);
    program(world, &command)
}

fn go(world: &World) -> Result<()> {
    match tools::go(&folder())? {
        Some(binary) => program(world, &Command::new(binary)),
        None => Ok(()),
    }
}

/// The command line client, with everything that it can say about a result. It runs what the suite's first connection runs.
fn connector_c(world: &World) -> Result<()> {
    let suite = std::fs::read_to_string(suite())?;
    let statements: String = suite
        .lines()
        .filter_map(|line| line.strip_prefix("a: "))
        // The error is a primary's, but SHOW WARNINGS then tells the replica's.
        .filter(|sql| *sql != "INSERT INTO tx VALUES (4, 4)")
        .map(|sql| format!("{sql}//\n"))
        .collect();
    let path = world.file("suite.sql");
    std::fs::write(
        &path,
        format!("SET @quorate_causal_reads = 'global'//\n{NOTHING_LEFT}{statements}"),
    )?;
    compare(world, |login| {
        let (host, port) = login.address.rsplit_once(':').context("address without port")?;
        let mut command = Command::new("mariadb");
        command
            .args([
                "--no-defaults",
                "--protocol=tcp",
                "--skip-ssl",
                "-h",
                host,
                "-P",
                port,
                "-u",
                USER,
                DATABASE,
            ])
            .args([
                "--force",
                "--verbose",
                "--verbose",
                "--table",
                "--column-type-info",
                "--show-warnings",
                "--binary-as-hex",
            ])
            .args(["--default-character-set=utf8mb4", "--delimiter=//"])
            .env("MYSQL_PWD", PASSWORD)
            .stdin(std::fs::File::open(&path)?);
        let output = command.output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok(timeless(&String::from_utf8_lossy(&text)))
    })
}

/// Without how long each statement took.
fn timeless(text: &str) -> String {
    text.lines()
        .map(|line| match line.rsplit_once(" (") {
            Some((said, time)) if time.ends_with(" sec)") => format!("{said}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}
