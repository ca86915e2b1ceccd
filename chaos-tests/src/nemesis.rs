//! What goes wrong: signals to real processes.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::lab::Lab;

fn signal(pid: Option<i32>, signal: Signal, whom: &str) -> Result<()> {
    let pid = pid
        .and_then(Pid::from_raw)
        .with_context(|| format!("{whom} is not running"))?;
    kill_process(pid, signal).with_context(|| format!("signalling {whom}"))
}

/// SIGKILLs a node's `mariadbd`; its agent lives and sees it.
///
/// # Errors
/// If it is not running.
pub fn kill_server(lab: &Lab, node: &str) -> Result<()> {
    signal(lab.info()?.node(node)?.pid, Signal::KILL, node)
}

/// SIGKILLs a node's agent, and with it its server.
///
/// # Errors
/// If it is not running.
pub fn kill_agent(lab: &Lab, node: &str) -> Result<()> {
    signal(lab.info()?.node(node)?.agent_pid, Signal::KILL, node)
}

/// SIGSTOPs a node's agent and server together, as a paused pod.
///
/// # Errors
/// If one is not running.
pub fn freeze(lab: &Lab, node: &str) -> Result<()> {
    let info = lab.info()?;
    let node = info.node(node)?;
    signal(node.agent_pid, Signal::STOP, &node.id)?;
    signal(node.pid, Signal::STOP, &node.id)
}

/// Undoes [`freeze`], server first, so that a fence that relies on the agent's order alone would show.
///
/// # Errors
/// If the agent is not there.
pub fn thaw(lab: &Lab, node: &str) -> Result<()> {
    let info = lab.info()?;
    let node = info.node(node)?;
    if node.pid.is_some() {
        signal(node.pid, Signal::CONT, &node.id)?;
    }
    signal(node.agent_pid, Signal::CONT, &node.id)
}

/// SIGKILLs a supervisor.
///
/// # Errors
/// If it is not running.
pub fn kill_supervisor(lab: &Lab, id: &str) -> Result<()> {
    signal(lab.info()?.supervisor(id)?.pid, Signal::KILL, id)
}

/// SIGSTOPs a router.
///
/// # Errors
/// If it is not running.
pub fn freeze_router(lab: &Lab, id: &str) -> Result<()> {
    signal(lab.info()?.router(id)?.pid, Signal::STOP, id)
}

/// Undoes [`freeze_router`].
///
/// # Errors
/// If it is not there.
pub fn thaw_router(lab: &Lab, id: &str) -> Result<()> {
    signal(lab.info()?.router(id)?.pid, Signal::CONT, id)
}

/// SIGTERMs a router: it drains and ends.
///
/// # Errors
/// If it is not running.
pub fn stop_router(lab: &Lab, id: &str) -> Result<()> {
    signal(lab.info()?.router(id)?.pid, Signal::TERM, id)
}

/// SIGHUPs a router: it reads its settings again.
///
/// # Errors
/// If it is not running.
pub fn reload_router(lab: &Lab, id: &str) -> Result<()> {
    signal(lab.info()?.router(id)?.pid, Signal::HUP, id)
}
