//! What to do: [`plan`] and [`audit`], pure.
//!
//! `plan` reads what is agreed and what was seen and says what shall be committed, what each node shall be and what the routers
//! shall follow; with a reason for everything that it does, and for everything that it does not do what it waits for and
//! until when. It is the live decision, the dry run and the explanation at once (invariant I20). `audit` is a second reading of
//! the invariants that shares no code with it: a plan that breaks one is never carried out.
//!
//! There is no IO, no clock, no randomness and no memory here. A leader that takes over calls `plan` and continues.
//!
//! Start with [`mariadb`].

pub mod mariadb;

pub use mariadb::{Refused, Violation, audit, plan, switchover_precheck};
