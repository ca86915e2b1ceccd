//! Tests of the crate over real files, real sockets and real certificates.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests stop at the first surprise"
)]

mod cluster;
mod disk;
mod durability;
mod lab;
mod nemesis;
mod pki;
mod proxy;
mod refusal;
mod suite;
