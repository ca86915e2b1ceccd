//! Both sides, step by step.

use std::collections::VecDeque;
use std::fmt;

use anyhow::{Context as _, Result, ensure};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::answer::Answer;
use super::grammar::{Grammar, MEETING, SESSIONS, TABLES};
use super::mask::{METADATA_CHANGED, forget_in_ends};
use super::standing::Standing;
use super::step::Step;
use crate::wire::{Login, Reply, ServerError, Session, caps, command};

/// Statements that a session leaves open.
const OPEN_MAX: usize = 8;
/// Steps that a report tells of: what made a difference was rarely done earlier.
const DONE_KEPT: usize = 40;
/// What every session begins with: nobody waits long for a lock of another one that waits for its turn, and everybody reads what
/// anybody wrote.
const START: &str = "SET innodb_lock_wait_timeout = 0, lock_wait_timeout = 1, @quorate_causal_reads = 'global'";

/// One way to the server.
#[derive(Debug, Clone)]
pub struct Side {
    /// With an empty database of its own.
    pub login: Login,
    /// For setting up and for the comparison at the end: the primary itself.
    pub direct: Login,
}

/// A side at `login`, with an empty database of this name, made through `direct`.
///
/// # Errors
/// If the database cannot be made.
pub fn side(login: &Login, direct: &Login, database: &str) -> Result<Side> {
    let mut session = Session::open(direct)?;
    session.run(&format!("DROP DATABASE IF EXISTS {database}"))?;
    session.run(&format!("CREATE DATABASE {database} CHARACTER SET utf8mb4"))?;
    let within = |login: &Login| Login {
        database: Some(database.to_owned()),
        ..login.clone()
    };
    let side = Side {
        login: within(login),
        direct: within(direct),
    };
    let mut session = Session::open(&side.direct)?;
    for sql in Grammar::schema() {
        session.run(&sql)?;
    }
    Ok(side)
}

/// Two replies that should have been one.
#[derive(Debug)]
pub struct Difference {
    /// Which step it was.
    pub step: usize,
    /// Of which session.
    pub session: usize,
    /// What was asked.
    pub asked: String,
    /// What this session did before, the last first.
    pub before: Vec<String>,
    /// The answers: around the router and through it.
    pub answers: [String; 2],
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step,
            session,
            asked,
            before,
            answers: [around, through],
        } = self;
        write!(
            f,
            "step {step}, session {session}: {asked}\n  around:  {around}\n  through: {through}"
        )?;
        before.iter().try_for_each(|said| write!(f, "\n  after {said}"))
    }
}

impl std::error::Error for Difference {}

/// What a run did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Replies that were compared.
    pub replies: usize,
    /// Of those, the ones with an error.
    pub errors: usize,
    /// Rows in them.
    pub rows: usize,
}

/// One session on both sides.
struct Pair {
    sides: [Client; 2],
    standing: Standing,
    /// Its last steps.
    done: VecDeque<String>,
}

/// One session on one side.
struct Client {
    login: Login,
    session: Session,
    /// Statements that were left open, with their texts.
    open: VecDeque<(u32, String)>,
}

/// The comparison.
pub struct Differ {
    sides: [Side; 2],
    grammar: Grammar,
    pairs: Vec<Pair>,
    /// Asked last by each session, for the report.
    summary: Summary,
}

impl fmt::Debug for Differ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Differ")
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

impl Differ {
    /// Logs in on both sides: the first around the router, the second through it.
    ///
    /// # Errors
    /// If a side cannot be reached.
    pub fn new(sides: [Side; 2], seed: u64) -> Result<Self> {
        let grammar = Grammar::new(StdRng::seed_from_u64(seed));
        let mut differ = Self {
            sides,
            grammar,
            pairs: Vec::new(),
            summary: Summary::default(),
        };
        for nth in 0..SESSIONS {
            // Old and new clients alike.
            let capabilities = caps::MULTI_STATEMENTS | if nth % 2 == 0 { caps::DEPRECATE_EOF } else { 0 };
            let [around, through] = &differ.sides;
            let open = |side: &Side| {
                Client::open(Login {
                    caps: capabilities,
                    ..side.login.clone()
                })
            };
            let sides = [open(around)?, open(through)?];
            differ.pairs.push(Pair {
                sides,
                standing: Standing::default(),
                done: VecDeque::new(),
            });
        }
        Ok(differ)
    }

    /// Runs so many steps and compares the tables.
    ///
    /// # Errors
    /// A [`Difference`], or whatever breaks a connection.
    pub fn run(mut self, steps: usize) -> Result<Summary> {
        for step in 0..steps {
            let session = self.grammar.below(SESSIONS);
            let what = self.grammar.step(session);
            let reading = self.pairs.iter().any(|pair| pair.standing.only_reads);
            let [around, _] = &self.pairs[session].sides;
            if !self.pairs[session].standing.excuses(&around.meant(&what), reading) {
                self.compare(step, session, &what)?;
            }
        }
        for pair in &mut self.pairs {
            for client in &mut pair.sides {
                client.session.run("ROLLBACK")?;
            }
        }
        self.pairs.clear();
        self.compare_tables()?;
        Ok(self.summary)
    }

    fn compare(&mut self, step: usize, session: usize, what: &Step) -> Result<()> {
        let [around, through] = &self.sides;
        let names = [around, through].map(|side| side.login.database.clone().unwrap_or_default());
        let pair = &mut self.pairs[session];
        let [one, two] = &mut pair.sides;
        let mut one = one
            .take(what)
            .with_context(|| format!("around, step {step}, session {session}: {what:?}"))?;
        let mut two = two
            .take(what)
            .with_context(|| format!("through, step {step}, session {session}: {what:?}"))?;
        // Names of equal length, so that nothing else moves.
        two.rename(&names[1], &names[0]);
        let doubtful = pair.standing.doubtful_flags(what);
        one.forget_flags(doubtful);
        two.forget_flags(doubtful);
        if matches!(what, Step::Again(..)) {
            for answer in [&mut one, &mut two] {
                answer
                    .replies
                    .iter_mut()
                    .for_each(|packets| forget_in_ends(packets, METADATA_CHANGED));
            }
        }
        if one.replies != two.replies {
            one.point_at(&mut two);
            let asked = format!("{what:?}");
            return Err(Difference {
                step,
                session,
                asked,
                before: pair.done.drain(..).rev().collect(),
                answers: [one.said, two.said],
            }
            .into());
        }
        pair.standing.learn(what, one.status, one.errors > 0);
        let failed = if one.errors > 0 { ", which failed" } else { "" };
        pair.done.push_back(format!("step {step}: {what:?}{failed}"));
        if pair.done.len() > DONE_KEPT {
            pair.done.pop_front();
        }
        self.summary.replies += one.replies.len();
        self.summary.errors += one.errors;
        self.summary.rows += one.rows;
        Ok(())
    }

    fn compare_tables(&self) -> Result<()> {
        let mut contents = Vec::new();
        for side in &self.sides {
            let mut session = Session::open(&side.direct)?;
            let mut tables = Vec::new();
            for table in TABLES.iter().chain(&[MEETING]) {
                tables.push(session.query(&format!("SELECT * FROM {table} ORDER BY id"))?.sets);
            }
            contents.push(tables);
        }
        ensure!(contents[0] == contents[1], "the tables differ in the end");
        Ok(())
    }
}

impl Client {
    fn open(login: Login) -> Result<Self> {
        let mut session = Session::open(&login)?;
        session.run(START)?;
        Ok(Self {
            login,
            session,
            open: VecDeque::new(),
        })
    }

    /// Does one step.
    fn take(&mut self, step: &Step) -> Result<Answer> {
        let mut replies = Vec::new();
        let mut said = None;
        match step {
            Step::Query(sql) => replies.push(self.session.query(sql)?),
            Step::Prepared {
                sql,
                runs,
                types_once,
                keep,
            } => match self.session.prepare(sql) {
                Ok(prepared) => {
                    let mut packets = prepared.packets;
                    packets[0][1..5].fill(0);
                    replies.push(Reply {
                        packets,
                        sets: Vec::new(),
                        column_ends: Vec::new(),
                    });
                    for (nth, args) in runs.iter().enumerate() {
                        replies.push(
                            self.session
                                .execute_with(prepared.id, args, false, nth == 0 || !types_once)?,
                        );
                    }
                    self.keep(prepared.id, sql, *keep)?;
                }
                Err(error) => said = Some(error.downcast::<ServerError>()?.to_string()),
            },
            Step::Again(nth, args) => {
                if let Some((id, _)) = self.open.get(*nth) {
                    replies.push(self.session.execute_with(*id, args, false, true)?);
                }
            }
            Step::Reset => {
                replies.push(self.session.ask(command::RESET, &[])?);
                self.open.clear();
                self.session.run(START)?;
            }
            Step::Use => {
                let database = self.login.database.clone().unwrap_or_default();
                replies.push(self.session.ask(command::INIT_DB, database.as_bytes())?);
            }
            Step::Reconnect => {
                // Its locks must be gone before the next step, and a server takes a moment to see that a client has gone.
                self.session.run("ROLLBACK")?;
                *self = Self::open(self.login.clone())?;
                replies.push(self.session.query("DO 0")?);
            }
        }
        Ok(Answer::new(&replies, said))
    }

    /// The statement that a step carries out again, if it does.
    fn meant(&self, step: &Step) -> Step {
        match step {
            Step::Again(nth, _) => match self.open.get(*nth) {
                Some((_, sql)) => Step::Query(sql.clone()),
                None => step.clone(),
            },
            _ => step.clone(),
        }
    }

    fn keep(&mut self, id: u32, sql: &str, keep: bool) -> Result<()> {
        if !keep {
            return self.session.close(id);
        }
        self.open.push_back((id, sql.to_owned()));
        if self.open.len() > OPEN_MAX
            && let Some((oldest, _)) = self.open.pop_front()
        {
            self.session.close(oldest)?;
        }
        Ok(())
    }
}
