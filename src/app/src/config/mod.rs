//! Configuration files: one YAML file per role; a mistake is named by line and field.

mod check;
mod read;

pub(crate) use check::{RoleConfig, read_checked};
