//! Tests of the crate over real files, real sockets and real certificates.

mod disk;
mod durability;
mod suite;
