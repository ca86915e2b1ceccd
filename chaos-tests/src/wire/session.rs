//! A session: sends commands and takes their replies.

use std::collections::BTreeMap;
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};

use super::field::Column;
use super::packets::Packets;
use super::reply::{Reader, Reply, ServerError};
use super::words::command;

mod login;
mod prepared;

pub use login::Login;
pub use prepared::Prepared;

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
}
