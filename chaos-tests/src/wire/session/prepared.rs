//! Statements that are prepared, and what is done with them.

use anyhow::{Context as _, Result};

use super::Session;
use crate::wire::field::{Arg, Column};
use crate::wire::packets::Fields;
use crate::wire::reply::{Reply, ServerError};
use crate::wire::words::{caps, command};

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

impl Session {
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
}
