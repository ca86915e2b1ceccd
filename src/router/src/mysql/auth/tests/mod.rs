//! The real server, its real client and the router's two handshakes between them.

mod door;
mod fuzz;
mod logins;
mod passwords;
mod proxy;
mod router;
mod server;
mod tls;
