//! What every protocol of the router needs: the decision code, connections by epoch, holding, limits, links.

pub mod machine;
