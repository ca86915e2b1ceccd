//! Loopback ports for a lab: a block that the user names, or a free one.

use std::net::{Ipv4Addr, TcpListener};

use rand::Rng as _;

use crate::output::Problem;

/// Free blocks are searched here: below Linux's range for outgoing connections, which would race with them.
const SEARCH: std::ops::Range<u16> = 10_000..32_000;
/// Blocks tried before giving up.
const TRIES_MAX: usize = 100;

/// The first port of a block of `count` free ports.
pub(crate) fn free_block(count: u16) -> Result<u16, Problem> {
    let mut rng = rand::rng();
    for _ in 0..TRIES_MAX {
        let base = rng.random_range(SEARCH.start..SEARCH.end.saturating_sub(count));
        if first_taken(base, count).is_none() {
            return Ok(base);
        }
    }
    Err(Problem::new(
        format!("found no {count} free ports in a row on 127.0.0.1 after {TRIES_MAX} tries"),
        "name a free block with --base-port N",
    ))
}

/// Checks a block that the user named.
pub(crate) fn check_block(base: u16, count: u16) -> Result<(), Problem> {
    if base < 1024 || base.checked_add(count).is_none() {
        return Err(Problem::usage(
            format!("--base-port {base} leaves no room for {count} ports between 1024 and 65535"),
            "choose another, for example --base-port 17000",
        ));
    }
    match first_taken(base, count) {
        None => Ok(()),
        Some(port) => Err(Problem::new(
            format!(
                "port {port} on 127.0.0.1 is in use; the lab needs {base} to {}",
                base + count - 1
            ),
            format!(
                "choose another block with --base-port, leave it out to have one found, or see who uses it: ss -ltnp 'sport = :{port}'"
            ),
        )),
    }
}

fn first_taken(base: u16, count: u16) -> Option<u16> {
    (base..base.saturating_add(count)).find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_block_is_free_and_a_taken_port_is_named() {
        let base = free_block(8).unwrap();
        check_block(base, 8).unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 3)).unwrap();
        let problem = check_block(base, 8).unwrap_err();
        assert!(problem.what.contains(&format!("port {}", base + 3)), "{}", problem.what);
    }

    #[test]
    fn a_block_past_the_end_is_refused() {
        assert!(check_block(65_530, 20).is_err());
        assert!(check_block(80, 20).is_err());
    }
}
