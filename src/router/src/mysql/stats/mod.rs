//! Statistics of statement shapes: how often, how long, where.
