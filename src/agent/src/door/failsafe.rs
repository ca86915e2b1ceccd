//! Asks a replica's agent, over the connection that it keeps for that.

use std::io;
use std::time::Duration;

use quorate_api::link::{FailsafeAsk, FailsafeGrant, receive, send};
use quorate_model::NodeId;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::gate::Pass;
use crate::machine::Event;

/// Passes questions out and answers in until the pass is cut.
pub(super) async fn ask(
    agent: TlsStream<TcpStream>,
    pass: &Pass,
    node: NodeId,
    mut asked: mpsc::Receiver<FailsafeAsk>,
    events: &mpsc::Sender<Event>,
) -> io::Result<()> {
    let (mut from, mut to) = tokio::io::split(agent);
    let questions = async {
        while let Some(ask) = asked.recv().await {
            send(&mut to, &ask).await.map_err(io::Error::other)?;
        }
        io::Result::Ok(())
    };
    let answers = async {
        loop {
            let FailsafeGrant { epoch, seq, ttl_ms } = receive(&mut from).await.map_err(io::Error::other)?;
            let ttl = Duration::from_millis(ttl_ms);
            let by = node.clone();
            let granted = Event::FailsafeGranted { by, epoch, seq, ttl };
            if events.send(granted).await.is_err() {
                return io::Result::Ok(());
            }
        }
    };
    tokio::select! {
        // A fenced primary gives back what it holds on this very connection, so the end waits for what was asked.
        ended = questions => ended,
        ended = answers => ended,
        () = async { pass.cut.cancelled().await; tokio::time::sleep(Duration::from_millis(100)).await } => Ok(()),
    }
}
