//! A small result of the text protocol, read as a whole and within bounds.

use bytes::Bytes;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::fields::Fields;
use super::packet::{PacketError, Packets};
use super::server_error::ServerError;

/// The text of a query.
const COM_QUERY: u8 = 0x03;

/// Longest row, and longest packet of any other kind.
const ROW_MAX: usize = 16 * 1024 * 1024;
/// Longest result.
const RESULT_MAX: usize = 64 * 1024 * 1024;
/// Most columns; the server's own limit.
const COLUMNS_MAX: u64 = 4096;

/// One row; NULL is `None`.
pub(crate) type Row = Vec<Option<Bytes>>;

/// Why a query has no rows.
#[derive(Debug, Error)]
pub(crate) enum QueryError {
    /// The server's verdict; the connection is still good.
    #[error("the server answers {0}")]
    Refused(ServerError),
    /// The connection broke.
    #[error("the connection broke during a query")]
    Packet(#[from] PacketError),
    /// More than these queries are meant for.
    #[error("a result of more than {RESULT_MAX} bytes")]
    TooMuch,
    /// Not what the protocol says.
    #[error("the server's answer is malformed ({0})")]
    Malformed(&'static str),
}

impl QueryError {
    /// Whether the connection may be used for another query.
    pub(crate) const fn leaves_it_usable(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// Sends one statement and reads its whole answer. The connection must have agreed on `DEPRECATE_EOF` and on neither
/// multi-statements nor LOCAL INFILE.
pub(crate) async fn query<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    sql: &str,
) -> Result<Vec<Row>, QueryError> {
    let mut packets = Packets::new(stream, 0);
    let mut command = vec![COM_QUERY];
    command.extend_from_slice(sql.as_bytes());
    packets.write(&command).await?;
    let first = packets.read(ROW_MAX).await?;
    let columns = match first.first() {
        Some(0) => return Ok(Vec::new()),
        Some(0xff) => return Err(refused(&first)),
        Some(0xfb) => return Err(QueryError::Malformed("a request for a local file")),
        _ => Fields::new(&first).number(),
    };
    let columns = columns
        .filter(|columns| (1..=COLUMNS_MAX).contains(columns))
        .ok_or(QueryError::Malformed("the number of columns"))?;
    for _ in 0..columns {
        let definition = packets.read(ROW_MAX).await?;
        if definition.first() == Some(&0xff) {
            return Err(refused(&definition));
        }
    }
    let (mut rows, mut size) = (Vec::new(), 0_usize);
    loop {
        let packet = packets.read(ROW_MAX).await?;
        match packet.first() {
            Some(0xff) => return Err(refused(&packet)),
            // A row whose first column begins with 0xfe is longer than any OK.
            Some(0xfe) if packet.len() < 0xff_ffff => return Ok(rows),
            _ => {}
        }
        size = size.saturating_add(packet.len());
        if size > RESULT_MAX {
            return Err(QueryError::TooMuch);
        }
        rows.push(row(&packet, columns).ok_or(QueryError::Malformed("a row"))?);
    }
}

fn row(packet: &[u8], columns: u64) -> Option<Row> {
    let mut fields = Fields::new(packet);
    let mut row = Row::new();
    for _ in 0..columns {
        if fields.rest().first() == Some(&0xfb) {
            fields.u8()?;
            row.push(None);
        } else {
            row.push(Some(Bytes::copy_from_slice(fields.bytes()?)));
        }
    }
    Some(row)
}

fn refused(packet: &[u8]) -> QueryError {
    ServerError::parse(packet).map_or(QueryError::Malformed("an ERR packet"), QueryError::Refused)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn null_and_empty_are_told_apart() {
        assert_eq!(
            row(b"\xfb\0\x02ab", 3),
            Some(vec![None, Some(Bytes::new()), Some(Bytes::from_static(b"ab"))])
        );
        assert_eq!(row(b"\x02a", 1), None);
    }

    proptest! {
        #[test]
        fn no_row_panics(packet: Vec<u8>, columns in 0_u64..9) {
            let _ = row(&packet, columns);
        }
    }
}
