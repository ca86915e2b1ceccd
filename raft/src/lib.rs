//! The only crate that names openraft.
