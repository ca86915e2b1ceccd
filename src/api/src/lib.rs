//! What goes over the wire: REST types, links, TLS, client.
