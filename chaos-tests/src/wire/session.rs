//! A session: log in, send commands.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mysql_common::scramble::scramble_native;

use super::field::{Arg, Column};
use super::packets::{Fields, Packets};
use super::reply::{Reader, Reply, ServerError};

/// Beyond this a reply is not late but lost; above every hold of a router.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most that this client says it takes.
const PACKET_MAX: u32 = 1 << 30;
/// `utf8mb4_general_ci`
const COLLATION: u8 = 45;

/// Capabilities, MariaDB's own in the upper half.
pub mod caps {
    /// Answer with rows found, not rows changed.
    pub const FOUND_ROWS: u64 = 0x2;
    /// `LOAD DATA LOCAL`.
    pub const LOCAL_FILES: u64 = 0x80;
    /// Several statements in one text.
    pub const MULTI_STATEMENTS: u64 = 0x1_0000;
    /// Changes of the session's state with OK packets.
    pub const SESSION_TRACK: u64 = 0x80_0000;
    /// An OK packet ends a result set.
    pub const DEPRECATE_EOF: u64 = 0x100_0000;
    /// Compression.
    pub const COMPRESS: u64 = 0x20;
    /// TLS.
    pub const SSL: u64 = 0x800;
    /// Execution with many rows of arguments.
    pub const BULK: u64 = 1 << 34;
    /// More about columns.
    pub const EXTENDED_METADATA: u64 = 1 << 35;
    /// Columns of a prepared statement are sent once.
    pub const CACHE_METADATA: u64 = 1 << 36;
    /// What every client here asks for: protocol 4.1, transactions, secure login, results of procedures.
    pub const BASE: u64 = 0x4 | 0x200 | 0x2000 | 0x8000 | 0x2_0000 | 0x4_0000 | 0x8_0000;
}

/// Commands.
pub mod command {
    /// `COM_QUIT`
    pub const QUIT: u8 = 0x01;
    /// `COM_INIT_DB`
    pub const INIT_DB: u8 = 0x02;
    /// `COM_QUERY`
    pub const QUERY: u8 = 0x03;
    /// `COM_FIELD_LIST`
    pub const FIELD_LIST: u8 = 0x04;
    /// `COM_STATISTICS`
    pub const STATISTICS: u8 = 0x09;
    /// `COM_PROCESS_KILL`
    pub const PROCESS_KILL: u8 = 0x0c;
    /// `COM_PING`
    pub const PING: u8 = 0x0e;
    /// `COM_CHANGE_USER`
    pub const CHANGE_USER: u8 = 0x11;
    /// `COM_STMT_PREPARE`
    pub const PREPARE: u8 = 0x16;
    /// `COM_STMT_EXECUTE`
    pub const EXECUTE: u8 = 0x17;
    /// `COM_STMT_SEND_LONG_DATA`
    pub const LONG_DATA: u8 = 0x18;
    /// `COM_STMT_CLOSE`
    pub const CLOSE: u8 = 0x19;
    /// `COM_STMT_RESET`
    pub const STMT_RESET: u8 = 0x1a;
    /// `COM_SET_OPTION`
    pub const SET_OPTION: u8 = 0x1b;
    /// `COM_STMT_FETCH`
    pub const FETCH: u8 = 0x1c;
    /// `COM_RESET_CONNECTION`
    pub const RESET: u8 = 0x1f;
    /// `COM_STMT_BULK_EXECUTE`
    pub const BULK_EXECUTE: u8 = 0xfa;
}

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

/// A prepared statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its id.
    pub id: u32,
    /// How many arguments it takes.
    pub params: usize,
    /// The packets of the reply; bytes 1 to 4 of the first are the id.
    pub packets: Vec<Vec<u8>>,
}

/// A connection that is logged in.
#[derive(Debug)]
pub struct Session {
    packets: Packets,
    /// What was agreed.
    pub caps: u64,
    /// What the server offered.
    pub offered: u64,
    /// The server's version as it greeted.
    pub version: String,
    /// The connection's id as the server greeted.
    pub id: u32,
    /// Files to answer `LOCAL INFILE` with, in order.
    pub files: Vec<Vec<u8>>,
    /// How much of a file goes into one packet.
    pub chunk_bytes: usize,
    scramble: Vec<u8>,
    columns: BTreeMap<u32, Vec<Column>>,
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

    /// The socket, for those who want to break it.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.packets.socket()
    }

    /// Sends a command and waits for nothing.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn send(&mut self, command: u8, body: &[u8]) -> Result<()> {
        self.packets.restart();
        let mut payload = Vec::with_capacity(body.len() + 1);
        payload.push(command);
        payload.extend_from_slice(body);
        self.packets.send(&payload)
    }

    /// Sends a piece of a file that the server asked for; an empty one ends it.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn chunk(&mut self, bytes: &[u8]) -> Result<()> {
        self.packets.send(bytes)
    }

    /// Takes one packet of any kind.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn packet(&mut self) -> Result<Vec<u8>> {
        self.packets.receive()
    }

    /// Takes the reply to a command that was sent.
    ///
    /// # Errors
    /// If the connection fails or the reply is against the protocol.
    pub fn reply(&mut self) -> Result<Reply> {
        self.reader(false, &[]).reply().map(|(reply, _)| reply)
    }

    fn reader<'a>(&'a mut self, binary: bool, known: &'a [Column]) -> Reader<'a> {
        Reader {
            packets: &mut self.packets,
            caps: self.caps,
            binary,
            files: &mut self.files,
            chunk: self.chunk_bytes,
            known,
            kept: Vec::new(),
            seen: Vec::new(),
            column_ends: Vec::new(),
        }
    }

    /// Takes one packet of any kind and of any sequence number: for commands that were sent without waiting.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn any_packet(&mut self) -> Result<Vec<u8>> {
        self.packets.receive_any()
    }

    /// A command with an ordinary reply.
    ///
    /// # Errors
    /// If the connection fails; a server's error is in the reply.
    pub fn ask(&mut self, command: u8, body: &[u8]) -> Result<Reply> {
        self.send(command, body)?;
        self.reply()
    }

    /// `COM_QUERY`
    ///
    /// # Errors
    /// If the connection fails; a server's error is in the reply.
    pub fn query(&mut self, sql: &str) -> Result<Reply> {
        self.ask(command::QUERY, sql.as_bytes())
    }

    /// A statement that must succeed.
    ///
    /// # Errors
    /// If the connection fails, or with a [`ServerError`].
    pub fn run(&mut self, sql: &str) -> Result<Reply> {
        let reply = self.query(sql)?;
        match reply.error() {
            Some(error) => Err(anyhow::Error::new(error.clone()).context(sql.chars().take(200).collect::<String>())),
            None => Ok(reply),
        }
    }

    /// The rows of the first result of a statement that must succeed.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let mut sets = self.run(sql)?.sets;
        ensure!(!sets.is_empty(), "no result");
        Ok(sets.swap_remove(0).rows)
    }

    /// The only value of a statement that must succeed; `NULL` for NULL.
    ///
    /// # Errors
    /// As [`Session::run`], or if there is no row.
    pub fn value(&mut self, sql: &str) -> Result<String> {
        let rows = self.rows(sql)?;
        let first = rows.into_iter().next().and_then(|row| row.into_iter().next());
        let value = first.with_context(|| format!("no row from {sql}"))?;
        Ok(value.unwrap_or_else(|| "NULL".to_owned()))
    }

    /// The error of a statement that must fail.
    ///
    /// # Errors
    /// If the connection fails or the statement succeeds.
    pub fn refused(&mut self, sql: &str) -> Result<ServerError> {
        let reply = self.query(sql)?;
        reply.error().cloned().with_context(|| format!("succeeded: {sql}"))
    }

    /// `COM_STMT_PREPARE`
    ///
    /// # Errors
    /// If the connection fails, or with a [`ServerError`].
    pub fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        self.send(command::PREPARE, sql.as_bytes())?;
        let first = self.packets.receive()?;
        if first.first() == Some(&0xff) {
            return Err(ServerError::parse(&first)?.into());
        }
        let mut fields = Fields(&first);
        fields.take(1)?;
        let id = u32::try_from(fields.number(4)?)?;
        let columns = usize::try_from(fields.number(2)?)?;
        let params = usize::try_from(fields.number(2)?)?;
        let mut packets = vec![first];
        let mut known = Vec::new();
        for (count, keep) in [(params, false), (columns, true)] {
            for _ in 0..count {
                let packet = self.packets.receive()?;
                if keep {
                    known.push(Column::parse(&packet, self.caps & caps::EXTENDED_METADATA != 0)?);
                }
                packets.push(packet);
            }
            if count > 0 && self.caps & caps::DEPRECATE_EOF == 0 {
                packets.push(self.packets.receive()?);
            }
        }
        // The last one that was prepared has a number of its own.
        self.columns.insert(u32::MAX, known.clone());
        self.columns.insert(id, known);
        Ok(Prepared { id, params, packets })
    }

    /// `COM_STMT_EXECUTE`; without `types` the server must remember those of an earlier execution.
    ///
    /// # Errors
    /// If the connection fails; a server's error is in the reply.
    pub fn execute_with(&mut self, id: u32, args: &[Arg], cursor: bool, types: bool) -> Result<Reply> {
        let mut body = id.to_le_bytes().to_vec();
        body.push(u8::from(cursor));
        body.extend_from_slice(&1_u32.to_le_bytes());
        if !args.is_empty() {
            let mut nulls = vec![0_u8; args.len().div_ceil(8)];
            for (nth, _) in args.iter().enumerate().filter(|(_, arg)| **arg == Arg::Null) {
                nulls[nth / 8] |= 1 << (nth % 8);
            }
            body.extend_from_slice(&nulls);
            body.push(u8::from(types));
            if types {
                body.extend(args.iter().flat_map(Arg::code));
            }
            args.iter().for_each(|arg| arg.put(&mut body));
        }
        self.send(command::EXECUTE, &body)?;
        let known = self.columns.get(&id).cloned().unwrap_or_default();
        let (reply, seen) = self.reader(true, &known).reply()?;
        if !seen.is_empty() {
            self.columns.insert(id, seen);
        }
        Ok(reply)
    }

    /// An execution that must succeed.
    ///
    /// # Errors
    /// If the connection fails, or with a [`ServerError`].
    pub fn execute(&mut self, id: u32, args: &[Arg]) -> Result<Reply> {
        let reply = self.execute_with(id, args, false, true)?;
        match reply.error() {
            Some(error) => Err(error.clone().into()),
            None => Ok(reply),
        }
    }

    /// `COM_STMT_FETCH`
    ///
    /// # Errors
    /// If the connection fails; a server's error is in the reply.
    pub fn fetch(&mut self, id: u32, rows: u32) -> Result<Reply> {
        let mut body = id.to_le_bytes().to_vec();
        body.extend_from_slice(&rows.to_le_bytes());
        self.send(command::FETCH, &body)?;
        let known = self.columns.get(&id).cloned().unwrap_or_default();
        self.reader(true, &known).fetched()
    }

    /// `COM_STMT_SEND_LONG_DATA`, which has no reply.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn long_data(&mut self, id: u32, param: u16, bytes: &[u8]) -> Result<()> {
        let mut body = id.to_le_bytes().to_vec();
        body.extend_from_slice(&param.to_le_bytes());
        body.extend_from_slice(bytes);
        self.send(command::LONG_DATA, &body)
    }

    /// `COM_STMT_CLOSE`, which has no reply.
    ///
    /// # Errors
    /// If the connection fails.
    pub fn close(&mut self, id: u32) -> Result<()> {
        self.columns.remove(&id);
        self.send(command::CLOSE, &id.to_le_bytes())
    }

    /// `COM_STMT_BULK_EXECUTE` of rows of equal types.
    ///
    /// # Errors
    /// If the connection fails; a server's error is in the reply.
    pub fn bulk(&mut self, id: u32, rows: &[Vec<Arg>]) -> Result<Reply> {
        /// The types are sent.
        const SEND_TYPES: u16 = 128;
        let mut body = id.to_le_bytes().to_vec();
        body.extend_from_slice(&SEND_TYPES.to_le_bytes());
        let types = rows
            .iter()
            .find(|row| !row.contains(&Arg::Null))
            .context("rows without types")?;
        body.extend(types.iter().flat_map(Arg::code));
        for arg in rows.iter().flatten() {
            body.push(u8::from(*arg == Arg::Null));
            arg.put(&mut body);
        }
        self.ask(command::BULK_EXECUTE, &body)
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
