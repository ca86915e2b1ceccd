//! The lab's MariaDB accounts and other secrets: random, in private files.

use std::fs;

use rand::Rng as _;
use rand::distr::Alphanumeric;

use super::dir::LabDir;
use super::inventory::{AccountEntry, replace_private};
use crate::output::Problem;

/// The application's account; may create and use database `app`.
pub(crate) const APP: &str = "app";
/// The account for people.
pub(crate) const ADMIN: &str = "admin";
/// Characters of a generated secret: about 190 bits.
const SECRET_CHARS: usize = 32;

/// Makes a secret unless it exists.
pub(crate) fn ensure(dir: &LabDir, name: &str) -> anyhow::Result<()> {
    let path = dir.secret(name);
    if path.exists() {
        return Ok(());
    }
    replace_private(&path, random().as_bytes())
}

/// Reads an account whose secret file bears its name.
pub(crate) fn read(dir: &LabDir, user: &str) -> anyhow::Result<AccountEntry> {
    let path = dir.secret(user);
    let password = fs::read_to_string(&path).map_err(|error| {
        Problem::new(
            format!("cannot read `{}`", path.display()),
            "delete the lab's folder and start it anew",
        )
        .because(error)
    })?;
    Ok(AccountEntry {
        user: user.to_owned(),
        password: password.trim_end().to_owned(),
    })
}

/// A fresh secret.
pub(crate) fn random() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(SECRET_CHARS)
        .map(char::from)
        .collect()
}

/// A short random id of lower-case letters and digits.
pub(crate) fn random_id() -> String {
    random().to_ascii_lowercase().chars().take(6).collect()
}
