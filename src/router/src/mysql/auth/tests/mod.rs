//! The real server, its real client and the router's two handshakes between them.

mod door;
mod fuzz;
mod logins;
mod passwords;
mod proxy;
mod router;
mod server;
mod tls;

/// The payload of an OK: what a router tells a client that a server has let in.
const LET_IN: &[u8] = b"\0\0\0\x02\0\0\0";
