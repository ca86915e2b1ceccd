//! Who a client is, and how the router becomes that client at a server.
//!
//! ```text
//!   client ──► greet ──► Login { user, database, secret, … } ──► login ──► server
//!                │                     ▲                           │
//!             accounts             change_user                  its own verdict reaches the client word for word
//!          (the servers' hashes)
//! ```
//! The router holds no passwords of clients. For `mysql_native_password` it knows SHA1(SHA1(password)) from the servers'
//! `mysql.global_priv`, and a client's answer to the router's scramble yields SHA1(password), which answers any server's
//! scramble. It lives as long as the session. `ed25519` answers yield nothing, so those passwords come from a file.
//!
//! Start with `greet.rs` (towards clients), then `login.rs` (towards servers). Packets are in `hello.rs`, `response.rs`,
//! `switch.rs` and `change.rs`, all pure; `service.rs` is the router's own connection.

pub(crate) mod account;
pub(crate) mod accounts;
pub(crate) mod change;
pub(crate) mod client_tls;
pub(crate) mod credentials;
pub(crate) mod ed25519;
pub(crate) mod fields;
pub(crate) mod flags;
pub(crate) mod front;
pub(crate) mod greet;
pub(crate) mod hello;
mod identify;
pub(crate) mod login;
pub(crate) mod native;
pub(crate) mod packet;
pub(crate) mod pattern;
pub(crate) mod proxy_protocol;
pub(crate) mod response;
pub(crate) mod rows;
pub(crate) mod secret;
pub(crate) mod server_error;
pub(crate) mod service;
pub(crate) mod stream;
pub(crate) mod switch;

#[cfg(test)]
mod tests;
