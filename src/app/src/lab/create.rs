//! Prepares a lab's folder: certificates, secrets and one configuration per process. Done anew on every `lab up`
//! except for what must last: the root certificate, the secrets and the data.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use quorate_api::pki::{Authority, CA_KEY};
use quorate_api::rest::{AccessRole, TokenRecord, token_hash};
use quorate_api::tls::{Role, TlsFiles};
use quorate_mariadb::binaries::Binaries;
use quorate_mariadb::identity::Identity;
use quorate_mariadb::install::{self, InstallSpec};
use quorate_mariadb::secrets::Secrets;
use serde::Serialize;

use super::accounts;
use super::configs::Configs;
use super::dir::LabDir;
use super::inventory::replace_private;
use super::ports;
use super::progress::Progress;
use super::spec::{Kind, LabSpec};
use super::up::UpOptions;
use crate::output::Problem;

/// File of the bearer token with every right.
pub(crate) const TOKEN: &str = "token";
/// File with the tokens' hashes, for the supervisors.
pub(crate) const TOKENS: &str = "tokens.json";

/// Initialising takes seconds; a machine that needs longer than this is stuck.
const INSTALL_MAX: Duration = Duration::from_secs(120);

/// The other tokens, for play with fewer rights.
const LESSER_TOKENS: [(&str, AccessRole); 2] = [
    ("token-operator", AccessRole::Operator),
    ("token-viewer", AccessRole::Viewer),
];

/// Prepares `dir`; says how the lab is laid out.
pub(crate) async fn create(dir: &LabDir, options: &UpOptions, progress: &mut Progress) -> anyhow::Result<LabSpec> {
    progress.stage("checking the MariaDB programs and the ports");
    refuse_foreign(dir)?;
    let binaries = check_programs().await?;
    let spec = layout(dir, options)?;
    progress.stage("making certificates, secrets and configurations");
    dir.create()?;
    replace_private(&dir.spec(), &serde_json::to_vec_pretty(&spec)?)?;
    make_secrets(dir)?;
    let authority = authority(dir)?;
    let configs = Configs::new(dir, &spec);
    for (id, kind) in spec.processes() {
        let tls = issue(&authority, kind, &id)?;
        match kind {
            Kind::Supervisor => write(dir, &id, &configs.supervisor(&id, tls)?)?,
            Kind::Agent => write(dir, &id, &configs.agent(&id, tls)?)?,
            Kind::Router => write(dir, &id, &configs.router(&id, tls)?)?,
        }
    }
    progress.stage("initialising MariaDB once; the nodes copy the result");
    make_template(dir, &spec, &binaries).await?;
    Ok(spec)
}

/// A folder with other things in it is left alone.
fn refuse_foreign(dir: &LabDir) -> anyhow::Result<()> {
    if dir.spec().exists() {
        return Ok(());
    }
    let occupied = fs::read_dir(dir.path()).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Problem::usage(
            format!("`{}` exists, is not empty and holds no lab", dir.path().display()),
            "choose another folder: --dir DIR",
        )
        .into());
    }
    Ok(())
}

async fn check_programs() -> anyhow::Result<Binaries> {
    let remedy = "on Debian: apt-get install mariadb-server mariadb-backup (or `make setup`, which does it)";
    let binaries =
        Binaries::discover().map_err(|error| Problem::new("a MariaDB program is missing", remedy).because(error))?;
    binaries
        .check_version(Duration::from_secs(10))
        .await
        .map_err(|error| Problem::new("the MariaDB server cannot be used", remedy).because(error))?;
    Ok(binaries)
}

/// Initialises MariaDB once; the nodes copy the result, which takes a tenth of the time.
async fn make_template(dir: &LabDir, spec: &LabSpec, binaries: &Binaries) -> anyhow::Result<()> {
    let install = InstallSpec {
        datadir: dir.template(),
        identity: Identity {
            cluster: spec.cluster.as_str().into(),
            node: "template".into(),
            incarnation: "template".into(),
            server_id: 1,
        },
        secrets: Secrets::from_dir(&dir.secrets()).context("reading the lab's secrets")?,
        run_as: None,
    };
    install::prepare(binaries, &install, INSTALL_MAX)
        .await
        .map_err(|error| {
            Problem::new(
                "cannot initialise a MariaDB data directory",
                "see the reason above; is the disk full?",
            )
            .because(error)
        })?;
    Ok(())
}

/// A lab that exists keeps its id, nodes and, if they are free, ports.
fn layout(dir: &LabDir, options: &UpOptions) -> anyhow::Result<LabSpec> {
    let before = LabSpec::load(dir)?;
    if let Some(before) = &before
        && (before.mariadb, before.routers) != (options.mariadb, options.routers)
    {
        return Err(Problem::usage(
            format!(
                "the lab in `{}` has {} MariaDB nodes and {} routers",
                dir.path().display(),
                before.mariadb,
                before.routers
            ),
            "give the same numbers, delete it with `quorate lab down --purge`, or use another folder: --dir DIR",
        )
        .into());
    }
    let count = LabSpec::port_count(options.mariadb, options.routers);
    let base_port = match (options.base_port, &before) {
        (Some(base), _) => base,
        (None, Some(before)) if before.check_ports().is_ok() => before.base_port,
        (None, _) => ports::free_block(count)?,
    };
    let spec = LabSpec {
        cluster: before.map_or_else(|| format!("lab-{}", accounts::random_id()), |before| before.cluster),
        base_port,
        mariadb: options.mariadb,
        routers: options.routers,
        restart: options.restart_delay,
    };
    spec.check_ports()?;
    Ok(spec)
}

fn make_secrets(dir: &LabDir) -> anyhow::Result<()> {
    for name in [accounts::APP, accounts::ADMIN, "agent", "replication", "router", TOKEN] {
        accounts::ensure(dir, name)?;
    }
    let mut records = vec![record(dir, TOKEN, AccessRole::Admin)?];
    for (name, role) in LESSER_TOKENS {
        accounts::ensure(dir, name)?;
        records.push(record(dir, name, role)?);
    }
    replace_private(&dir.secret(TOKENS), &serde_json::to_vec_pretty(&records)?)
}

fn record(dir: &LabDir, name: &str, role: AccessRole) -> anyhow::Result<TokenRecord> {
    let token = fs::read_to_string(dir.secret(name)).with_context(|| format!("reading the secret `{name}`"))?;
    Ok(TokenRecord {
        name: name.replace("token", "lab"),
        role,
        sha256: token_hash(token.trim()),
    })
}

fn authority(dir: &LabDir) -> anyhow::Result<Authority> {
    let pki = dir.pki();
    let authority = if pki.join(CA_KEY).exists() {
        Authority::load(&pki)
    } else {
        Authority::create(&pki, "Quorate lab")
    };
    authority.map_err(|error| {
        Problem::new(
            "cannot make the lab's certificates",
            "delete the lab's folder and start it anew",
        )
        .because(error)
        .into()
    })
}

fn issue(authority: &Authority, kind: Kind, id: &str) -> anyhow::Result<TlsFiles> {
    let role = match kind {
        Kind::Supervisor => Role::Supervisor,
        Kind::Agent => Role::Agent,
        Kind::Router => Role::Router,
    };
    authority
        .issue(role, id, &[])
        .with_context(|| format!("making the certificate of {id}"))
}

fn write(dir: &LabDir, id: &str, config: &impl Serialize) -> anyhow::Result<()> {
    let yaml = serde_saphyr::to_string(config).with_context(|| format!("writing the configuration of {id}"))?;
    replace_private(&dir.conf(id), yaml.as_bytes())
}
