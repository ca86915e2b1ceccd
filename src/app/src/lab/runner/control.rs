//! Requests to the runner, over a unix socket: one JSON line each way.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::slot::SlotHandle;
use crate::lab::dir::LabDir;
use crate::output::Problem;

/// Longest line; a request is a few dozen bytes.
const LINE_MAX_BYTES: u64 = 4096;
/// A restart waits for a handover.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What the runner can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(crate) enum Request {
    /// Stop a process and start it at once.
    Restart {
        /// Which.
        id: String,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
enum Answer {
    Started { pid: u32 },
    Failed { why: String },
}

/// Opens the socket, in place of one left behind.
pub(super) fn listen(dir: &LabDir) -> anyhow::Result<UnixListener> {
    let path = dir.control();
    let _ = std::fs::remove_file(&path);
    UnixListener::bind(&path).with_context(|| format!("listening on `{}`", path.display()))
}

/// Serves one caller.
pub(super) async fn serve(stream: UnixStream, slots: Vec<SlotHandle>) {
    if let Err(error) = answer(stream, &slots).await {
        tracing::debug!(%error, "a request to the runner failed");
    }
}

async fn answer(mut stream: UnixStream, slots: &[SlotHandle]) -> anyhow::Result<()> {
    let request: Request = serde_json::from_str(&line(&mut stream).await?)?;
    let Request::Restart { id } = request;
    let answer = match slots.iter().find(|slot| slot.id == id) {
        None => Answer::Failed {
            why: format!("there is no process `{id}`"),
        },
        Some(slot) => slot.restart().await.map_or_else(
            || Answer::Failed {
                why: format!("{id} could not be started; see its log"),
            },
            |pid| Answer::Started { pid },
        ),
    };
    send(&mut stream, &answer).await
}

/// Asks the runner of `dir`; the answer is the pid of what was started.
pub(crate) async fn ask(dir: &LabDir, request: &Request) -> anyhow::Result<u32> {
    let exchange = async {
        let mut stream = UnixStream::connect(dir.control()).await?;
        send(&mut stream, request).await?;
        Ok::<Answer, anyhow::Error>(serde_json::from_str(&line(&mut stream).await?)?)
    };
    let unreachable = || {
        Problem::new(
            "the lab's runner does not answer",
            "see DIR/log/runner.log; `quorate lab down` and `quorate lab up` start it anew",
        )
    };
    let answer = timeout(ANSWER_MAX, exchange)
        .await
        .map_err(|elapsed| unreachable().because(elapsed))?
        .map_err(|error| unreachable().because(error))?;
    match answer {
        Answer::Started { pid } => Ok(pid),
        Answer::Failed { why } => Err(Problem::new(why, "see `quorate lab status` for the names").into()),
    }
}

async fn line(stream: &mut UnixStream) -> anyhow::Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MAX_BYTES)).read_line(&mut line).await?;
    Ok(line)
}

async fn send(stream: &mut UnixStream, message: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(())
}
