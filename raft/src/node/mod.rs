//! The running node and what one can ask of it. Start with [`Node`].

mod error;
mod handle;
mod inner;
mod leadership;
mod members;
mod metrics;
mod start;

pub use error::{MemberError, ProposeError, ReadError, StartError};
pub use handle::Node;
pub(crate) use inner::Inner;
pub use leadership::{Leadership, Role};
pub use metrics::NodeMetrics;
