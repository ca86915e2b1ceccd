//! The split: one address for reading and writing. A session looks like one server; behind it are two connections.
//!
//! ```text
//!   client ─► serve: greet, log in ─► session: next command ─┐
//!                                                            ▼
//!        query │ prepared │ special ─► job ─► run: attach a server ─► exchange: send, pass the reply on ─► learn
//!                                                            ▲                     │
//!                                                            └─ lost: hold, resolve, repeat, replay ◄──── server lost
//! ```
//! Decisions are in `session/` and `recover/plan.rs`, without IO; here are the tasks and sockets around them.

mod attach;
mod backend;
mod client;
mod codes;
mod compose;
mod exchange;
mod hold;
mod job;
mod kill;
mod learn;
mod local;
mod lost;
mod outcome;
mod position;
mod prepared;
mod primary;
mod query;
mod reader;
mod reading;
mod run;
mod serve;
mod session;
mod special;
pub(crate) mod start;
mod tracking;

pub(crate) use self::serve::Split;
