//! Clients that do not keep to the protocol.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use quorate_chaos::wire::{Arg, Session, command};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::Case;
use crate::world::World;

pub(super) const CASES: &[Case] = &[
    ("s70_garbage_instead_of_a_login", s70_garbage),
    ("s70_malformed_commands_get_the_servers_own_answers", s70_malformed),
    ("s70_commands_that_nobody_knows", s70_unknown),
];

/// Connections full of rubbish.
const ROUNDS: u64 = 200;

fn s70_garbage(world: &World) -> Result<()> {
    let mut witness = world.session()?;
    let address = world.through()?.address;
    // One that never says anything, and one that says a little, stay until the end.
    let silent = TcpStream::connect(&address)?;
    let mut slow = TcpStream::connect(&address)?;
    for seed in 0..ROUNDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut stream = TcpStream::connect(&address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting)?;
        let mut bytes = vec![0; rng.random_range(0..400)];
        rng.fill(&mut bytes[..]);
        match seed % 4 {
            // Any bytes at all.
            0 => {}
            // A packet that promises more than comes.
            1 => drop(bytes.splice(0..0, [0xff, 0xff, 0xff, 1])),
            // A wish for TLS, and then none.
            2 => drop(bytes.splice(0..0, ssl_request())),
            // A packet of just this size.
            _ => {
                let length = u32::try_from(bytes.len())?.to_le_bytes();
                drop(bytes.splice(0..0, [length[0], length[1], 0, 1]));
            }
        }
        // It may have closed already; that is an answer too.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        if seed % 20 == 0 {
            let _ = slow.write_all(&[1]);
            ensure!(witness.value("SELECT 1")? == "1");
            ensure!(world.session()?.value("SELECT 2")? == "2");
        }
    }
    drop(silent);
    Ok(())
}

/// Asks for TLS.
fn ssl_request() -> Vec<u8> {
    let mut packet = vec![32, 0, 0, 1];
    packet.extend_from_slice(&0x000f_aa04_u32.to_le_bytes());
    packet.extend_from_slice(&[0; 28]);
    packet
}

/// Stands for the number of a statement that is prepared.
const STATEMENT: &[u8] = &[1, 0, 0, 0];

// A number that no statement has is a high one: a server's thread goes on counting for its next connection, so a
// low one may well be the statement that was just prepared.

/// Sends one command directly and through the router; the answers, or how the connection ended.
fn answers(world: &World, code: u8, body: &[u8]) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for login in [world.around()?, world.through()?] {
        let mut session = Session::open(&login)?;
        let id = session.prepare("SELECT ?, ?")?.id;
        session.execute_with(id, &[Arg::Int(1), Arg::Int(2)], false, true)?;
        let mut body = body.to_vec();
        if let Some(number) = body.get_mut(..4).filter(|number| *number == STATEMENT) {
            number.copy_from_slice(&id.to_le_bytes());
        }
        session.send(code, &body)?;
        // What has no answer must not have one: then the next command's comes first.
        session.send(command::STATISTICS, &[])?;
        let mut packets = Vec::new();
        while let Ok(packet) = session.any_packet() {
            if packet.starts_with(b"Uptime") {
                packets.push("and goes on".to_owned());
                break;
            }
            // Servers number statements over all connections, so errors name other numbers.
            packets.push(if packet.first() == Some(&0xff) {
                String::from_utf8_lossy(&packet).replace(&format!("({id})"), "(ID)")
            } else {
                format!("{packet:?}")
            });
        }
        said.push(packets.join("\n"));
    }
    Ok(said)
}

fn s70_malformed(world: &World) -> Result<()> {
    for (code, body) in [
        (command::EXECUTE, &[][..]),
        (command::EXECUTE, &[1, 0]),
        (command::EXECUTE, &[1, 0, 0, 0, 0, 1, 0, 0, 0]),
        (command::EXECUTE, &[9, 0, 0, 0x70, 0, 1, 0, 0, 0]),
        (command::FETCH, &[9, 0, 0, 0x70, 1, 0, 0, 0]),
        (command::LONG_DATA, &[9, 0, 0, 0x70, 0, 0, 65]),
        (command::LONG_DATA, &[1, 0, 0, 0, 77, 0, 65]),
        (command::LONG_DATA, &[1]),
        (command::CLOSE, &[9, 0, 0, 0x70]),
        (command::PREPARE, b"SELECT FROM WHERE"),
        (command::PREPARE, b""),
        (command::QUERY, b""),
        (command::QUERY, b"SELECT '"),
        (command::QUERY, b"SELECT \0 1"),
        (command::QUERY, b"\xff\xfe\xfd"),
        (command::INIT_DB, b"no_such_database"),
        (command::INIT_DB, b""),
        (command::SET_OPTION, &[0, 0]),
        (command::SET_OPTION, &[7, 0]),
    ] {
        let said = answers(world, code, body)?;
        ensure!(
            said[0] == said[1],
            "command {code:#x} {body:?}\n  directly: {}\n  through:  {}",
            said[0],
            said[1]
        );
    }
    Ok(())
}

fn s70_unknown(world: &World) -> Result<()> {
    for code in [0x00, 0x05, 0x0b, 0x0f, 0x10, 0x13, 0x14, 0x20, 0x7f, 0xf0, 0xff] {
        let said = answers(world, code, b"x").with_context(|| format!("command {code:#x}"))?;
        ensure!(
            said[0] == said[1],
            "command {code:#x}\n  directly: {}\n  through:  {}",
            said[0],
            said[1]
        );
    }
    Ok(())
}
