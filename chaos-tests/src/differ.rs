//! Random statements, directly and through the router, reply by reply.
//!
//! ```text
//!   seed ──► statements ──┬──► sessions around the router ──► replies ─┐
//!                         └──► sessions through it        ──► replies ─┴─► the same packets?
//! ```
//! Both sides begin with empty databases of their own, names of equal length. Several sessions take turns, so that locks meet and
//! temporary tables, variables and transactions must be told apart. Every packet of every reply is compared, and in the end
//! every table.

mod answer;
mod grammar;
mod mask;
mod run;
mod standing;
mod step;
mod words;

pub use grammar::Grammar;
pub use run::{Differ, Difference, Side, Summary, side};
pub use step::Step;
