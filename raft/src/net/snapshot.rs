//! Snapshots on the wire: the same bytes as in the file, streamed, with length and hash in the first line.

use std::convert::Infallible;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::wire::{ErrorCode, WireError};
use crate::config::SNAPSHOT_BYTES_MAX;
use crate::machine::{SnapshotBody, SnapshotHeader};

/// Bytes per frame.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest first line: it holds the members.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// The body of a snapshot call.
pub(super) fn stream_out(header: &SnapshotHeader, body: &SnapshotBody) -> serde_json::Result<reqwest::Body> {
    let mut chunks = vec![Bytes::from(header.to_line()?)];
    let mut rest = body.0.clone();
    while !rest.is_empty() {
        chunks.push(rest.split_to(rest.len().min(CHUNK_BYTES)));
    }
    let chunks = chunks.into_iter().map(Ok::<_, Infallible>);
    Ok(reqwest::Body::wrap_stream(stream::iter(chunks)))
}

/// Receives and verifies a snapshot.
pub(super) async fn read_in(body: Body) -> Result<(SnapshotHeader, SnapshotBody), WireError> {
    let bad = |message: String| WireError::new(ErrorCode::BadRequest, message);
    let large = |message: String| WireError::new(ErrorCode::TooLarge, message);
    let mut stream = body.into_data_stream();
    let mut received = BytesMut::new();
    let mut header: Option<SnapshotHeader> = None;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| bad(format!("the stream broke: {error}")))?;
        received.extend_from_slice(&chunk);
        match &header {
            Some(header) if received.len() as u64 > header.length => {
                return Err(bad("more bytes follow the header than announced".to_owned()));
            }
            Some(_) => {}
            None => {
                if let Some(end) = received.iter().position(|&byte| byte == b'\n') {
                    let line = received.split_to(end + 1);
                    let parsed = SnapshotHeader::parse(&line[..end]).map_err(bad)?;
                    if parsed.length > SNAPSHOT_BYTES_MAX {
                        return Err(large(format!(
                            "a snapshot of {} bytes is announced, {SNAPSHOT_BYTES_MAX} are allowed",
                            parsed.length
                        )));
                    }
                    header = Some(parsed);
                } else if received.len() > LINE_BYTES_MAX {
                    return Err(large("the snapshot's first line does not end".to_owned()));
                }
            }
        }
    }
    let header = header.ok_or_else(|| bad("the snapshot has no header".to_owned()))?;
    header.check(&received).map_err(bad)?;
    Ok((header, SnapshotBody(received.freeze())))
}
