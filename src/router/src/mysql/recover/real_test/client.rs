//! A session at a server, as the router has one.

use std::path::Path;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use crate::mysql::auth::flags::{DEPRECATE_EOF, PHASE};
use crate::mysql::auth::login::{Login, login};
use crate::mysql::auth::packet::Packets;
use crate::mysql::auth::secret::Secret;
use crate::mysql::recover::marker::Marker;
use crate::mysql::wire::ok::{ErrPacket, OkPacket};
use crate::mysql::wire::track::Entry;

const SESSION_TRACK: u64 = 1 << 23;
const TRANSACTIONS: u64 = 1 << 13;
const FOUND_ROWS: u64 = 1 << 1;
const PACKET_MAX: usize = 64 * 1024 * 1024;

/// A connection after its login.
pub(super) struct Session {
    pub(super) stream: UnixStream,
    pub(super) thread: u32,
    pub(super) marker: Marker,
}

/// What a statement's OK said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) affected: u64,
    pub(super) last_insert_id: u64,
    pub(super) seq: Option<u64>,
}

/// Why there is no OK.
#[derive(Debug)]
pub(super) enum Failed {
    #[expect(dead_code, reason = "read by `Debug` when a test fails")]
    Server(String),
    Lost,
}

pub(super) async fn connect(socket: &Path, found_rows: bool) -> std::io::Result<(UnixStream, u32)> {
    let mut stream = UnixStream::connect(socket).await?;
    let who = Login {
        user: "root".to_owned(),
        database: None,
        capabilities: PHASE,
        collation: 45,
        attributes: Vec::new(),
        max_packet: 1 << 24,
        secret: Secret::Empty,
    };
    let rows = if found_rows { FOUND_ROWS } else { 0 };
    let accepted = login(&mut stream, &who, DEPRECATE_EOF | SESSION_TRACK | TRANSACTIONS | rows)
        .await
        .map_err(std::io::Error::other)?;
    Ok((stream, accepted.thread_id))
}

impl Session {
    pub(super) async fn open(socket: &Path, found_rows: bool) -> Self {
        let (stream, thread) = connect(socket, found_rows).await.unwrap();
        let mut session = Self {
            stream,
            thread,
            marker: Marker::new(rand::random()),
        };
        session
            .run("SET session_track_system_variables = 'last_gtid', sql_mode = ''")
            .await
            .unwrap();
        session
    }

    /// Runs a statement as it is.
    pub(super) async fn run(&mut self, sql: &str) -> Result<Done, Failed> {
        execute(&mut self.stream, sql.as_bytes()).await
    }

    /// Runs a statement behind the session's marker.
    pub(super) async fn marked(&mut self, sql: &str) -> Result<Done, Failed> {
        let text = [&self.marker.prefix()[..], sql.as_bytes()].concat();
        execute(&mut self.stream, &text).await
    }
}

async fn execute<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, sql: &[u8]) -> Result<Done, Failed> {
    let mut packets = Packets::new(stream, 0);
    let command = [&[3], sql].concat();
    packets.write(&command).await.map_err(|_| Failed::Lost)?;
    let mut columns = 0;
    for nth in 0.. {
        let packet = packets.read(PACKET_MAX).await.map_err(|_| Failed::Lost)?;
        match packet[0] {
            0xff => {
                let error = ErrPacket::parse(&packet).unwrap();
                return Err(Failed::Server(String::from_utf8_lossy(error.message).into_owned()));
            }
            0 if nth == 0 => return Ok(done(&packet)),
            columns_here if nth == 0 => columns = usize::from(columns_here),
            0xfe if nth > columns => return Ok(done(&packet)),
            _ => {}
        }
    }
    Err(Failed::Lost)
}

fn done(packet: &[u8]) -> Done {
    let ok = OkPacket::parse(packet, true).unwrap();
    let gtid = ok.entries().find_map(|entry| match entry.unwrap() {
        Entry::LastGtid(gtid) => Some(gtid.sequence),
        _ => None,
    });
    Done {
        affected: ok.affected_rows,
        last_insert_id: ok.last_insert_id,
        seq: gtid,
    }
}
