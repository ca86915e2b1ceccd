//! Formatting.

use crate::context::Context;
use crate::outcome::Outcome;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    let status = context.run(context.cargo(&["fmt", "--all", "--check", "--", "-l"]))?;
    let findings = if status.success() {
        Vec::new()
    } else {
        vec![
            "the files above are not formatted; run `make fix` (needs rustfmt: `rustup component add rustfmt`)"
                .to_owned(),
        ]
    };
    Ok(Outcome::from_findings(findings, ""))
}
