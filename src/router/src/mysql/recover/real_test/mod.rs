//! Verdicts against the truth, on real servers: a primary and a replica with semi-synchronous acknowledgements.

mod client;
mod lab;
mod results;
mod rounds;
mod special;
