//! What to do: plan and audit, pure.
