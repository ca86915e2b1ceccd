//! Who may come in, and what for: as on the server, at once.

use std::process::Command;

use anyhow::{Result, ensure};
use quorate_chaos::wire::{Login, ServerError, Session};

use crate::Case;
use crate::world::World;

pub(super) const CASES: &[Case] = &[
    ("s71_a_changed_password_counts_at_once", s71_password),
    ("s71_granted_and_revoked_rights_count_at_once", s71_rights),
    ("s71_refusals_read_as_the_servers_own", s71_refusals),
    ("s71_compression_and_tls_by_the_command_line_client", s71_client),
];

/// The error of a login that must fail.
fn shut_out(login: &Login) -> Result<ServerError> {
    match Session::open(login) {
        Ok(_) => anyhow::bail!("{login:?} got in"),
        Err(error) => match error.downcast::<ServerError>() {
            Ok(error) => Ok(error),
            Err(error) => Err(error.context("no error packet")),
        },
    }
}

fn someone(world: &World, user: &str, password: &str) -> Result<Login> {
    let mut login = world.through()?;
    user.clone_into(&mut login.user);
    password.clone_into(&mut login.password);
    login.database = None;
    Ok(login)
}

fn s71_password(world: &World) -> Result<()> {
    let mut admin = world.admin()?;
    admin.run("CREATE OR REPLACE USER changing@localhost IDENTIFIED BY 'p0'")?;
    let mut open = Session::open(&someone(world, "changing", "p0")?)?;
    for turn in 1..6 {
        admin.run(&format!("ALTER USER changing@localhost IDENTIFIED BY 'p{turn}'"))?;
        let error = shut_out(&someone(world, "changing", &format!("p{}", turn - 1))?)?;
        ensure!(error.code == 1045, "{error}");
        Session::open(&someone(world, "changing", &format!("p{turn}"))?)?;
    }
    ensure!(open.value("SELECT 1")? == "1", "an open session was ended");
    admin.run("ALTER USER changing@localhost ACCOUNT LOCK")?;
    let error = shut_out(&someone(world, "changing", "p5")?)?;
    ensure!(error.code == 4151, "{error}");
    admin.run("DROP USER changing@localhost")?;
    let error = shut_out(&someone(world, "changing", "p5")?)?;
    ensure!(error.code == 1045, "{error}");
    Ok(())
}

fn s71_rights(world: &World) -> Result<()> {
    world.make(&[
        "CREATE OR REPLACE TABLE s71 (id INT PRIMARY KEY)",
        "INSERT INTO s71 VALUES (1)",
    ])?;
    let mut admin = world.admin()?;
    admin.run("CREATE OR REPLACE USER reader@localhost IDENTIFIED BY 'p'")?;
    let mut open = Session::open(&someone(world, "reader", "p")?)?;
    for _ in 0..3 {
        let error = open.refused("SELECT id FROM compat.s71")?;
        ensure!(error.code == 1142, "before: {error}");
        admin.run("GRANT SELECT ON compat.s71 TO reader@localhost")?;
        world.applied(&admin.value("SELECT @@gtid_binlog_pos")?)?;
        ensure!(open.value("SELECT id FROM compat.s71")? == "1", "not granted");
        ensure!(open.refused("INSERT INTO compat.s71 VALUES (2)")?.code == 1142);
        admin.run("REVOKE SELECT ON compat.s71 FROM reader@localhost")?;
        world.applied(&admin.value("SELECT @@gtid_binlog_pos")?)?;
    }
    admin.run("DROP USER reader@localhost").map(drop)
}

fn s71_refusals(world: &World) -> Result<()> {
    let around = world.around()?.address;
    for (user, password, database) in [
        ("nobody", "x", None),
        ("compat", "wrong", None),
        ("compat", "", None),
        ("compat", "of no worth", Some("mysql")),
        ("compat", "of no worth", Some("no_such_database")),
        ("guest", "of no worth", Some("no_such_database")),
    ] {
        let mut login = someone(world, user, password)?;
        login.database = database.map(str::to_owned);
        let through = shut_out(&login)?;
        login.address.clone_from(&around);
        let around = shut_out(&login)?;
        ensure!(
            through == around,
            "{user} in {database:?}: {through} instead of {around}"
        );
    }
    Ok(())
}

/// What the command line client prints when it logs in.
fn says(login: &Login, extra: &[&str]) -> Result<String> {
    let (host, port) = login.address.rsplit_once(':').unwrap_or_default();
    let output = Command::new("mariadb")
        .args([
            "--no-defaults",
            "--protocol=tcp",
            "--batch",
            "--skip-column-names",
            "-h",
            host,
            "-P",
            port,
            "-u",
            &login.user,
        ])
        .args(extra)
        .args(["-e", "SELECT CURRENT_USER()"])
        .env("MYSQL_PWD", &login.password)
        .output()?;
    Ok(format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
            .replace(&login.address, "there")
            .replace(port, "port")
    ))
}

fn s71_client(world: &World) -> Result<()> {
    let mut admin = world.admin()?;
    admin.run("CREATE OR REPLACE USER secure@localhost IDENTIFIED BY 'p' REQUIRE SSL")?;
    let (compat, secure) = (world.through()?, someone(world, "secure", "p")?);
    let around = world.around()?;
    for (login, extra) in [
        (&compat, &["--skip-ssl"][..]),
        (&compat, &["--compress", "--skip-ssl"][..]),
        (&secure, &["--skip-ssl"][..]),
    ] {
        let mut directly = login.clone();
        directly.address.clone_from(&around.address);
        let (through, around) = (says(login, extra)?, says(&directly, extra)?);
        ensure!(through == around, "{login:?} {extra:?}: {through} instead of {around}");
    }
    admin.run("DROP USER secure@localhost").map(drop)
}
