//! What the machine does with events.
