//! Licences, sources and bans by `cargo deny`, where it is installed.

use std::process::Stdio;

use crate::context::Context;
use crate::outcome::Outcome;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let mut probe = context.cargo(&["deny", "--version"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return Ok(Outcome::skipped("not installed (`cargo install --locked cargo-deny`)"));
    }
    // Advisories need the network and change without a commit; they run on a schedule instead.
    let status = context.run(context.cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    let findings = if status.success() {
        Vec::new()
    } else {
        vec!["see the report above; deny.toml has the reasons".to_owned()]
    };
    Ok(Outcome::from_findings(findings, ""))
}
