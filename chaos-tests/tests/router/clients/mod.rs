//! Real clients run `suite.txt` directly, through a router, and through one with TLS whose certificate they verify; what they
//! print must be the same, byte for byte.
//!
//! Pinned versions are installed below the target folder on first use. Without network or tool chain a test says that it was
//! skipped; on a build server it fails.

mod async_rust;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use quorate_api::pki::{Authority, CA_CERT};
use quorate_chaos::wire::Login;

use crate::Case;
use crate::world::{DATABASE, PASSWORD, USER, World};

pub(crate) const CASES: &[Case] = &[
    ("clients_mysql_async", mysql_async),
    ("clients_mariadb_connector_c", connector_c),
    ("clients_pymysql", pymysql),
    ("clients_node", node),
    ("clients_go", go),
    ("clients_jdbc", jdbc),
    (
        "clients_without_tls_or_with_another_authority_do_not_get_in",
        not_without_tls,
    ),
];

/// A way to the servers.
struct Way {
    login: Login,
    /// The authority whose certificate must be at its end; without it there is no TLS.
    authority: Option<PathBuf>,
}

impl Way {
    fn host_and_port(&self) -> Result<(&str, &str)> {
        self.login.address.rsplit_once(':').context("address without port")
    }
}

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

/// Directly first.
fn ways(world: &World) -> Result<[Way; 3]> {
    let plain = |login| Way { login, authority: None };
    let secured = world.secured()?;
    Ok([
        plain(world.around()?),
        plain(world.through()?),
        Way {
            login: World::login(&secured.rw),
            authority: Some(secured.authority.clone()),
        },
    ])
}

/// Runs the suite on all ways; the same must be printed, and it must be much.
fn compare(world: &World, run: impl Fn(&Way) -> Result<String>) -> Result<()> {
    let printed = ways(world)?
        .iter()
        // Ports differ, and are none of the suite's business.
        .map(|way| run(way).with_context(|| format!("at {}", way.login.address)))
        .collect::<Result<Vec<_>>>()?;
    let [around, plain, secured] = &printed[..] else {
        anyhow::bail!("three runs were made");
    };
    ensure!(around.lines().count() > 300, "too little was done:\n{around}");
    same(around, plain)?;
    same(around, secured).context("with TLS")
}

/// Names the first step whose lines differ.
fn same(around: &str, through: &str) -> Result<()> {
    let (mut around, mut through) = (around.lines(), through.lines());
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

/// What a program prints that takes the suite, the address, the password, the file, and perhaps an authority.
fn program(world: &World, command: &Command) -> Result<()> {
    let data = data(world)?;
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let name = command.get_program().to_owned();
    compare(world, |way| {
        let (host, port) = way.host_and_port()?;
        let mut command = Command::new(&name);
        command.args(&args).arg(suite()).args([host, port, PASSWORD]).arg(&data);
        tools::output(command.args(&way.authority))
    })
}

fn mysql_async(world: &World) -> Result<()> {
    let data = data(world)?;
    compare(world, |way| {
        async_rust::run(&way.login, way.authority.as_deref(), &suite(), &data)
    })
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

fn jdbc(world: &World) -> Result<()> {
    let Some(classes) = tools::java(&folder())? else {
        return Ok(());
    };
    let mut command = Command::new("java");
    // It lives for seconds: what compiles well takes longer than it saves.
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]);
    command.arg(classes).arg("Suite");
    program(world, &command)
}

fn not_without_tls(world: &World) -> Result<()> {
    let (data, secured) = (data(world)?, world.secured()?);
    let login = World::login(&secured.rw);
    let run = |authority: Option<&Path>| async_rust::run(&login, authority, &suite(), &data);
    let plain = run(None).err().context("let in without TLS")?;
    ensure!(format!("{plain:#}").contains("3159"), "{plain:#}");
    let other = world.file("another-authority");
    if !other.exists() {
        Authority::create(&other, "another")?;
    }
    let refused = run(Some(&other.join(CA_CERT))).err();
    let refused = refused.context("a certificate of another authority was taken")?;
    ensure!(format!("{refused:#}").contains("UnknownIssuer"), "{refused:#}");
    Ok(())
}

/// The command line client, with everything that it can say about a result. It runs what the suite's first connection runs.
fn connector_c(world: &World) -> Result<()> {
    let suite = std::fs::read_to_string(suite())?;
    let statements: String = suite
        .lines()
        .filter_map(|line| line.strip_prefix("a: "))
        .map(|sql| format!("{sql}//\n"))
        .collect();
    let path = world.file("suite.sql");
    std::fs::write(
        &path,
        format!("SET @quorate_causal_reads = 'global'//\n{NOTHING_LEFT}{statements}"),
    )?;
    compare(world, |way| {
        let (host, port) = way.host_and_port()?;
        let mut command = Command::new("mariadb");
        command
            .args([
                "--no-defaults",
                "--protocol=tcp",
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
        match &way.authority {
            Some(authority) => command.arg("--ssl-verify-server-cert").arg("--ssl-ca").arg(authority),
            None => command.arg("--skip-ssl"),
        };
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
