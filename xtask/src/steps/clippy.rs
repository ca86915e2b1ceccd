//! Lints, warnings denied.

use crate::context::Context;
use crate::outcome::Outcome;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let status = context.run(context.cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    let findings = if status.success() {
        Vec::new()
    } else {
        vec!["see the lints above (needs clippy: `rustup component add clippy`)".to_owned()]
    };
    Ok(Outcome::from_findings(findings, ""))
}
