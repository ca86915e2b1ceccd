//! The loop that observes, plans, audits, commits and acts.
