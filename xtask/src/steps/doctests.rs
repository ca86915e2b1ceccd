//! Examples in the documentation.

use super::tests::cargo_test;
use crate::context::Context;
use crate::outcome::Outcome;

pub(super) fn run(context: &Context) -> anyhow::Result<Outcome> {
    cargo_test(context, &["test", "--locked", "--workspace", "--no-fail-fast", "--doc"])
}
