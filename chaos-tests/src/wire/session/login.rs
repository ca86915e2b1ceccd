//! Logging in, also as somebody else.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use mysql_common::scramble::scramble_native;

use super::Session;
use crate::wire::packets::{Fields, Packets};
use crate::wire::reply::ServerError;
use crate::wire::words::{caps, command};

/// Beyond this a reply is not late but lost; above every hold of a router.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most that this client says it takes.
const PACKET_MAX: u32 = 1 << 30;
/// `utf8mb4_general_ci`
const COLLATION: u8 = 45;

/// Who wants in, where, and with which capabilities.
#[derive(Clone)]
pub struct Login {
    /// `host:port`
    pub address: String,
    /// User name.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database to start in.
    pub database: Option<String>,
    /// Capabilities beyond [`caps::BASE`], as far as the server offers them.
    pub caps: u64,
    /// The number of the collation to start with; that of `utf8mb4` if none.
    pub collation: Option<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("address", &self.address)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Dials and logs in.
    ///
    /// # Errors
    /// If the connection fails, or with a [`ServerError`].
    pub fn open(login: &Login) -> Result<Self> {
        let mut packets = Packets::connect(&login.address, PATIENCE)?;
        let greeting = packets.receive()?;
        if greeting.first() == Some(&0xff) {
            return Err(ServerError::parse(&greeting)?.into());
        }
        let mut session = Self::greeted(packets, &greeting)?;
        session.caps = (caps::BASE | login.caps | if login.database.is_some() { 8 } else { 0 }) & session.offered;
        let mut response = session.caps.to_le_bytes()[..4].to_vec();
        response.extend_from_slice(&PACKET_MAX.to_le_bytes());
        response.push(login.collation.unwrap_or(COLLATION));
        response.extend_from_slice(&[0; 19]);
        response.extend_from_slice(&session.caps.to_le_bytes()[4..]);
        session.put_credentials(&mut response, login)?;
        session.packets.send(&response)?;
        session.authenticated(&login.password)?;
        Ok(session)
    }

    fn greeted(packets: Packets, greeting: &[u8]) -> Result<Self> {
        let mut fields = Fields(greeting);
        ensure!(fields.number(1)? == 10, "not a greeting: {greeting:?}");
        let version = String::from_utf8_lossy(fields.terminated()?).into_owned();
        let id = u32::try_from(fields.number(4)?)?;
        let mut scramble = fields.take(8)?.to_vec();
        fields.take(1)?;
        let low = fields.number(2)?;
        fields.take(3)?;
        let middle = fields.number(2)?;
        fields.take(1 + 6)?;
        let high = fields.number(4)?;
        scramble.extend_from_slice(fields.take(12)?);
        Ok(Self {
            packets,
            caps: 0,
            offered: low | middle << 16 | high << 32,
            version,
            id,
            files: Vec::new(),
            chunk_bytes: 1 << 20,
            scramble,
            columns: BTreeMap::new(),
        })
    }

    fn put_credentials(&self, out: &mut Vec<u8>, login: &Login) -> Result<()> {
        out.extend_from_slice(login.user.as_bytes());
        out.push(0);
        let answer = native(&self.scramble, &login.password);
        out.push(u8::try_from(answer.len())?);
        out.extend_from_slice(&answer);
        if let Some(database) = &login.database {
            out.extend_from_slice(database.as_bytes());
            out.push(0);
        }
        out.extend_from_slice(b"mysql_native_password\0");
        Ok(())
    }

    /// Waits for the verdict; answers a switch to another method or scramble.
    fn authenticated(&mut self, password: &str) -> Result<()> {
        loop {
            let packet = self.packets.receive()?;
            match packet.first() {
                Some(0x00) => return Ok(()),
                Some(0xff) => return Err(ServerError::parse(&packet)?.into()),
                Some(0xfe) => {
                    let mut fields = Fields(packet.get(1..).unwrap_or_default());
                    let plugin = fields.terminated()?;
                    ensure!(plugin == b"mysql_native_password", "this client knows no {plugin:?}");
                    self.scramble = fields.take(20)?.to_vec();
                    let answer = native(&self.scramble, password);
                    self.packets.send(&answer)?;
                }
                _ => bail!("no verdict on a login: {packet:?}"),
            }
        }
    }

    /// `COM_CHANGE_USER`
    ///
    /// # Errors
    /// If the connection fails, or with a [`ServerError`].
    pub fn change_user(&mut self, user: &str, password: &str, database: &str) -> Result<()> {
        let answer = native(&self.scramble, password);
        let mut body = user.as_bytes().to_vec();
        body.push(0);
        body.push(u8::try_from(answer.len())?);
        body.extend_from_slice(&answer);
        body.extend_from_slice(database.as_bytes());
        body.extend_from_slice(&[0, COLLATION, 0]);
        body.extend_from_slice(b"mysql_native_password\0");
        self.send(command::CHANGE_USER, &body)?;
        self.columns.clear();
        self.authenticated(password)
    }
}

/// The answer of `mysql_native_password`; empty without a password.
fn native(scramble: &[u8], password: &str) -> Vec<u8> {
    scramble_native(scramble, password.as_bytes()).map_or_else(Vec::new, |answer| answer.to_vec())
}
