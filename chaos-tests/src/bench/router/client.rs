//! The least that is a MySQL client: it logs in, asks, and reads bytes without looking at rows.
//!
//! Real drivers cost as much per row as the paths that are compared, and ten thousand of them more memory than all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use sha1::{Digest as _, Sha1};

use super::path::Path;
use crate::lab::Account;

/// PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, LONG_PASSWORD, DEPRECATE_EOF.
const CAPABILITIES: u32 = 0x0000_0200 | 0x0000_8000 | 0x0008_0000 | 0x0000_0001 | 0x0100_0000;
const UTF8MB4_GENERAL_CI: u8 = 45;
const SCRAMBLE_BYTES: usize = 20;
/// No answer for this long is a failure.
const SILENCE_MAX: Duration = Duration::from_secs(30);
const SCRATCH_BYTES: usize = 256 * 1024;
const ERR: u8 = 0xff;
const EOF: u8 = 0xfe;

/// A session.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(super) fn log_in(path: &Path, account: &Account) -> Result<Self> {
        let stream = TcpStream::connect((path.host.as_str(), path.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        let mut client = Self { stream };
        let (_, greeting) = client.packet()?;
        let scramble = scramble(&greeting).context("an odd greeting")?;
        client.send(1, &response(account, &scramble))?;
        let (number, mut answer) = client.packet()?;
        let mut number = number;
        if answer.first() == Some(&EOF) {
            // The method again, with a scramble of its own.
            let again = answer
                .split(|byte| *byte == 0)
                .nth(1)
                .context("an odd switch of method")?;
            let proof = proof(&account.password, again);
            client.send(number.wrapping_add(1), &proof)?;
            (number, answer) = client.packet()?;
        }
        ensure!(
            answer.first() == Some(&0),
            "login refused in packet {number}: {}",
            text(&answer)
        );
        Ok(client)
    }

    /// Sends a statement with a small answer, an OK or some rows, and waits for the end of it.
    pub(super) fn ask(&mut self, sql: &str) -> Result<()> {
        self.read_result(sql).map(drop)
    }

    /// Sends a statement and reads its answer to the end; says how many bytes it had.
    pub(super) fn read_result(&mut self, sql: &str) -> Result<u64> {
        let mut command = vec![3];
        command.extend_from_slice(sql.as_bytes());
        self.send(0, &command)?;
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut scan = Scan::default();
        let mut total = 0_u64;
        loop {
            let read = self.stream.read(&mut scratch)?;
            ensure!(read > 0, "the connection ended within an answer");
            total = total.saturating_add(read as u64);
            if scan.take(scratch.get(..read).context("read")?)? {
                return Ok(total);
            }
        }
    }

    fn send(&mut self, number: u8, payload: &[u8]) -> Result<()> {
        let mut packet = u32::try_from(payload.len())?.to_le_bytes().to_vec();
        packet[3] = number;
        packet.extend_from_slice(payload);
        Ok(self.stream.write_all(&packet)?)
    }

    fn packet(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, number] = head;
        let mut payload = vec![0; usize::try_from(u32::from_le_bytes([a, b, c, 0]))?];
        self.stream.read_exact(&mut payload)?;
        Ok((number, payload))
    }
}

/// Finds the end of an answer by packet headers and first bytes.
#[derive(Debug, Default)]
struct Scan {
    head: Vec<u8>,
    /// Bytes of the packet that are still to come.
    left: usize,
    packets: usize,
    /// Columns and rows follow the first packet.
    columns: bool,
}

impl Scan {
    /// Whether the answer ends with these bytes.
    fn take(&mut self, mut bytes: &[u8]) -> Result<bool> {
        const HEAD: usize = 5;
        while !bytes.is_empty() {
            let skip = self.left.min(bytes.len());
            self.left -= skip;
            bytes = bytes.get(skip..).unwrap_or_default();
            let wanted = HEAD.saturating_sub(self.head.len()).min(bytes.len());
            let (head, rest) = bytes.split_at(wanted);
            self.head.extend_from_slice(head);
            bytes = rest;
            let [a, b, c, _, first] = self.head[..] else {
                continue;
            };
            self.head.clear();
            let len = usize::try_from(u32::from_le_bytes([a, b, c, 0]))?;
            self.left = len.saturating_sub(1);
            self.packets += 1;
            match first {
                ERR => bail!("the server answers with an error"),
                0 if self.packets == 1 => return Ok(true),
                EOF if self.columns && len < 0xff_ffff => return Ok(true),
                _ => self.columns = true,
            }
        }
        Ok(false)
    }
}

/// The 20 bytes that the greeting asks to mix with the password.
fn scramble(greeting: &[u8]) -> Option<Vec<u8>> {
    let version_end = greeting.iter().skip(1).position(|byte| *byte == 0)? + 2;
    let first = greeting.get(version_end + 4..version_end + 12)?;
    let second = greeting.get(version_end + 31..version_end + 43)?;
    Some([first, second].concat())
}

fn response(account: &Account, scramble: &[u8]) -> Vec<u8> {
    let mut payload = CAPABILITIES.to_le_bytes().to_vec();
    payload.extend_from_slice(&(16_u32 << 20).to_le_bytes());
    payload.push(UTF8MB4_GENERAL_CI);
    payload.extend_from_slice(&[0; 23]);
    payload.extend_from_slice(account.user.as_bytes());
    payload.push(0);
    let proof = proof(&account.password, scramble);
    payload.push(20);
    payload.extend_from_slice(&proof);
    payload.extend_from_slice(b"mysql_native_password\0");
    payload
}

/// SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password))).
fn proof(password: &str, scramble: &[u8]) -> Vec<u8> {
    let once = Sha1::digest(password.as_bytes());
    let twice = Sha1::digest(once);
    let scramble = scramble.get(..SCRAMBLE_BYTES).unwrap_or(scramble);
    let mixed = Sha1::new().chain_update(scramble).chain_update(twice).finalize();
    once.iter().zip(mixed).map(|(a, b)| a ^ b).collect()
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(3..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_cut() {
        // One column, one row of three bytes that begins like an OK, the end.
        let answer = [
            1, 0, 0, 1, 1, 2, 0, 0, 2, 3, b'd', 3, 0, 0, 3, 0, 1, 2, 7, 0, 0, 4, EOF, 0, 0, 2, 0, 0, 0,
        ];
        for cut in 1..23 {
            let mut scan = Scan::default();
            assert!(!scan.take(&answer[..cut]).unwrap(), "cut {cut}");
            assert!(scan.take(&answer[cut..]).unwrap(), "cut {cut}");
        }
        let mut scan = Scan::default();
        let ends: Vec<bool> = answer.iter().map(|byte| scan.take(&[*byte]).unwrap()).collect();
        assert_eq!(ends.iter().position(|end| *end), Some(22));
    }
}
