//! Names of things. Each is a string newtype, so that a node is never taken for a router.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name; the text is not checked here.
            #[must_use]
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }
    };
}

string_id! {
    /// A Quorate deployment; peers of another cluster id are refused.
    ClusterId
}
string_id! {
    /// The lifetime of one data directory. A wiped or rebuilt directory gets a new one.
    Incarnation
}
string_id! {
    /// One `mariadbd` with its agent, for example `m1`.
    NodeId
}
string_id! {
    /// One operation (failover, switchover, request); the idempotency key of a command.
    OperationId
}
string_id! {
    /// One router, for example `r1`.
    RouterId
}
string_id! {
    /// One supervisor, for example `s1`. Stable for people; the Raft id behind it changes when a disk is lost.
    SupervisorId
}
