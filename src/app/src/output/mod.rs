//! What people and programs see: console, tables, exit codes, problems with a remedy.

mod console;
mod exit;
mod problem;
mod table;

pub(crate) use console::{ColorChoice, Console};
pub(crate) use exit::{EXIT_CODES, Exit};
pub(crate) use problem::{Problem, exit_of};
pub(crate) use table::{Tone, table};
