//! The server as a child process: its exit is known the moment it happens, it dies with the agent, and it is fenced by
//! SIGKILL through a pidfd, which can never hit a process that took over the number.

mod error;
mod exit;
mod server;
mod spawn;
mod tail;

pub use error::ProcessError;
pub use exit::Exit;
pub use server::Server;
pub use spawn::Launch;
