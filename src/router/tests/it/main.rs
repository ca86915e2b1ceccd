//! The router between real sockets: supervisors and doors of the tests, a real `mariadbd` and its real client.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod door;
mod epochs;
mod handover;
mod limits;
mod mariadb;
mod monitor;
mod pair;
mod reads;
mod start;
mod supervisor;
mod world;
