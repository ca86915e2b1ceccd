//! What the words mean: wanted, seen, agreed, planned.
