//! Thousands of clients that want to write in the same moment, on a few threads.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use quorate_api::clock::Clock;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::wire::{Login, Session, command};

/// Threads that share the clients.
const THREADS: usize = 16;
/// Files that a process needs beside those of its clients.
const OTHER_FILES: u64 = 400;

/// Clients that are logged in and do nothing, each thread's own.
#[derive(Debug)]
pub struct Storm {
    shares: Vec<Vec<Session>>,
}

/// What became of a storm.
#[derive(Debug)]
pub struct Calmed {
    /// From the first statement sent until the last answer.
    pub took: Duration,
    /// Clients that were told that their row is there.
    pub done: usize,
    /// What the others were told, at most a few of them.
    pub errors: Vec<String>,
}

/// Errors that are kept for people to read.
const ERRORS_MAX: usize = 5;

impl Storm {
    /// Raises this process's limit of open files, which its children inherit; how many of the clients that are wanted fit under
    /// it. A router has two files for each that is at work.
    ///
    /// # Errors
    /// If the limit cannot be changed.
    pub fn room(wanted: usize) -> Result<usize> {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
        let files = limit.maximum.unwrap_or(u64::MAX);
        Ok(wanted.min(usize::try_from(files.saturating_sub(OTHER_FILES) / 2)?))
    }

    /// Logs so many clients in.
    ///
    /// # Errors
    /// If one of them is not let in.
    pub fn gather(login: &Login, clients: usize) -> Result<Self> {
        let open = |first: usize| {
            (first..clients)
                .step_by(THREADS)
                .map(|nth| Session::open(login).with_context(|| format!("client {nth}")))
                .collect::<Result<Vec<_>>>()
        };
        thread::scope(|scope| {
            let openers: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || open(first))).collect();
            let shares = openers
                .into_iter()
                .map(|opener| opener.join().map_err(|_| anyhow!("a client panicked"))?)
                .collect::<Result<_>>()?;
            Ok(Self { shares })
        })
    }

    /// Lets all of them write one row into `table (client INT)` at once, and waits for every answer.
    ///
    /// # Errors
    /// If a connection breaks; an error of the server's is in what it comes to.
    pub fn strike(&mut self, table: &str) -> Result<Calmed> {
        let begun = Clock.now();
        let told = thread::scope(|scope| {
            let writers: Vec<_> = self
                .shares
                .iter_mut()
                .enumerate()
                .map(|(thread, share)| scope.spawn(move || write(share, thread, table)))
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().map_err(|_| anyhow!("a client panicked"))?)
                .collect::<Result<Vec<_>>>()
        })?;
        let took = Clock.now().since(begun);
        let done = told.iter().map(|(done, _)| done).sum();
        let errors = told.into_iter().flat_map(|(_, errors)| errors);
        Ok(Calmed {
            took,
            done,
            errors: errors.take(ERRORS_MAX).collect(),
        })
    }
}

/// Sends from all clients of one thread before it waits for the first answer.
fn write(share: &mut [Session], thread: usize, table: &str) -> Result<(usize, Vec<String>)> {
    let client = |nth: usize| nth * THREADS + thread;
    for (nth, session) in share.iter_mut().enumerate() {
        let sql = format!("INSERT INTO {table} (client) VALUES ({})", client(nth));
        session.send(command::QUERY, sql.as_bytes())?;
    }
    let (mut done, mut errors) = (0, Vec::new());
    for (nth, session) in share.iter_mut().enumerate() {
        let reply = session.reply().with_context(|| format!("client {}", client(nth)))?;
        match reply.error() {
            Some(error) => errors.push(error.to_string()),
            None => done += 1,
        }
    }
    Ok((done, errors))
}

/// Whether every client's row is there once.
///
/// # Errors
/// If one is missing or there twice, or the table cannot be read.
pub fn each_once(session: &mut Session, table: &str, clients: usize) -> Result<()> {
    let counted = session.rows(&format!("SELECT COUNT(*), COUNT(DISTINCT client) FROM {table}"))?;
    let wanted = Some(clients.to_string());
    ensure!(
        counted == [[wanted.clone(), wanted]],
        "rows and clients with rows: {counted:?} of {clients}"
    );
    Ok(())
}
