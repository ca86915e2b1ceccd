//! Hands files to the operating system's user that the server runs as, where that is not our own.

use std::io;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

/// Makes the files belong to `run_as`; does nothing if the server runs as ourselves.
pub(crate) fn hand_over(run_as: Option<&str>, files: &[&Path]) -> io::Result<()> {
    let Some(user) = run_as else { return Ok(()) };
    let (uid, gid) = lookup(user)?;
    files.iter().try_for_each(|file| chown(file, Some(uid), Some(gid)))
}

/// `getent` knows every source of users that the system is configured for.
fn lookup(user: &str) -> io::Result<(u32, u32)> {
    let output = Command::new("getent").args(["passwd", "--", user]).output()?;
    let line = String::from_utf8_lossy(&output.stdout);
    let mut ids = line.trim_end().split(':').skip(2).map(str::parse);
    match (ids.next(), ids.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) => Ok((uid, gid)),
        _ => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no operating system user `{user}`; create it or change `run_as`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_a_missing_one_is_named() {
        assert_eq!(lookup("root").unwrap(), (0, 0));
        assert!(lookup("no-such-user").unwrap_err().to_string().contains("no-such-user"));
    }
}
