//! API documentation: broken links and missing pages are warnings, and warnings are denied.

use crate::context::Context;
use crate::outcome::Outcome;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let mut command = context.cargo(&["doc", "--locked", "--no-deps", "--workspace"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    let status = context.run(command)?;
    let findings = if status.success() {
        Vec::new()
    } else {
        vec!["see the warnings above".to_owned()]
    };
    Ok(Outcome::from_findings(findings, ""))
}
