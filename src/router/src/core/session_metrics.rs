//! What is counted of split sessions. Label values are closed sets.

use metrics::{Counter, counter, describe_counter};

/// Handles, made once.
pub(crate) struct SessionMetrics {
    causal_fallbacks: Counter,
    resolved: [Counter; 2],
    replayed: [Counter; 2],
}

impl SessionMetrics {
    /// Registers with the recorder that is in place.
    pub(crate) fn new() -> Self {
        Self {
            causal_fallbacks: counter!("quorate_router_causal_fallbacks_total"),
            resolved: ["committed", "not_committed"]
                .map(|outcome| counter!("quorate_router_outcomes_resolved_total", "outcome" => outcome)),
            replayed: ["done", "refused"]
                .map(|outcome| counter!("quorate_router_transactions_replayed_total", "outcome" => outcome)),
        }
    }

    /// A replica did not catch up in time with what the session has seen.
    pub(crate) fn causal_fallback(&self) {
        self.causal_fallbacks.increment(1);
    }

    /// A write's outcome was found out after its server was lost.
    pub(crate) fn resolved(&self, committed: bool) {
        let [yes, no] = &self.resolved;
        if committed { yes } else { no }.increment(1);
    }

    /// A transaction was replayed on a new primary, or could not be.
    pub(crate) fn replayed(&self, done: bool) {
        let [yes, no] = &self.replayed;
        if done { yes } else { no }.increment(1);
    }
}

/// Help texts.
pub(crate) fn describe() {
    describe_counter!(
        "quorate_router_causal_fallbacks_total",
        "Reads that went to the primary since their replica did not catch up within `reads.causal_wait_ms`."
    );
    describe_counter!(
        "quorate_router_outcomes_resolved_total",
        "Writes whose server was lost before it answered, by what the binlog says of them."
    );
    describe_counter!(
        "quorate_router_transactions_replayed_total",
        "Open transactions at the loss of their server, by whether they could be replayed."
    );
}
