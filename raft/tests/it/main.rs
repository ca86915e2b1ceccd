//! Tests of the crate over real files, real sockets and real certificates.

mod cluster;
mod disk;
mod durability;
mod lab;
mod pki;
mod refusal;
mod suite;
