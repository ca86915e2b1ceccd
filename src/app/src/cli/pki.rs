//! `pki init` and `pki issue`: certificates for a site, made offline.

use std::path::PathBuf;

use quorate_api::pki::{Authority, CA_CERT};
use quorate_api::tls::Role;
use serde::Serialize;

use crate::output::{Console, Exit, Problem};

#[derive(Debug, Clone, clap::Args)]
pub(super) struct PkiOptions {
    #[command(subcommand)]
    verb: PkiVerb,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum PkiVerb {
    /// Make a root certificate, and one certificate per named process
    Init(Certificates),
    /// Make more certificates from an existing root; the same name again replaces its certificate
    Issue(Certificates),
}

#[derive(Debug, Clone, clap::Args)]
struct Certificates {
    /// The authority's folder; ca.key in it belongs on no server
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// A supervisor, with the hosts under which its API is reached: s1 or s1=10.0.0.1,s1.example.org
    #[arg(long, value_name = "ID[=HOST,..]")]
    supervisor: Vec<String>,
    /// An agent: m1
    #[arg(long, value_name = "ID[=HOST,..]")]
    agent: Vec<String>,
    /// A router: r1
    #[arg(long, value_name = "ID[=HOST,..]")]
    router: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    ca: PathBuf,
    certificates: Vec<Issued>,
}

#[derive(Debug, Serialize)]
struct Issued {
    name: String,
    cert: PathBuf,
    key: PathBuf,
}

pub(super) fn run(console: Console, options: &PkiOptions) -> anyhow::Result<Exit> {
    let (wanted, authority) = match &options.verb {
        PkiVerb::Init(wanted) => (wanted, Authority::create(&wanted.dir, "Quorate root")),
        PkiVerb::Issue(wanted) => (wanted, Authority::load(&wanted.dir)),
    };
    let authority = authority.map_err(|error| {
        Problem::new(
            format!("cannot use `{}` as an authority's folder", wanted.dir.display()),
            "`quorate pki init DIR` makes a new one; `quorate pki issue DIR` adds certificates to an existing one",
        )
        .because(error)
    })?;
    let mut certificates = Vec::new();
    for (role, names) in [
        (Role::Supervisor, &wanted.supervisor),
        (Role::Agent, &wanted.agent),
        (Role::Router, &wanted.router),
    ] {
        for text in names {
            certificates.push(issue(&authority, role, text)?);
        }
    }
    let ca = wanted.dir.join(CA_CERT);
    if console.json {
        console.document(&Outcome { ca, certificates })?;
        return Ok(Exit::Ok);
    }
    console.line(format_args!("root certificate: {}", ca.display()));
    for issued in &certificates {
        console.line(format_args!(
            "{}: {} and {}",
            issued.name,
            issued.cert.display(),
            issued.key.display()
        ));
    }
    console.remark("every process needs ca.crt and its own pair; keep ca.key offline");
    Ok(Exit::Ok)
}

fn issue(authority: &Authority, role: Role, text: &str) -> anyhow::Result<Issued> {
    let (name, hosts) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Problem::usage(
            format!("`{name}` is no usable name"),
            "use letters, digits and hyphens, for example --agent m1",
        )
        .into());
    }
    let hosts: Vec<String> = hosts
        .split(',')
        .filter(|host| !host.is_empty())
        .map(str::to_owned)
        .collect();
    let files = authority.issue(role, name, &hosts).map_err(|error| {
        Problem::new(
            format!("cannot make a certificate for `{name}`"),
            "check the names, the hosts and the folder",
        )
        .because(error)
    })?;
    Ok(Issued {
        name: role.dns_name(name),
        cert: files.cert,
        key: files.key,
    })
}
