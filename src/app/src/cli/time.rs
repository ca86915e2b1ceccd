//! Times and spans for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment of wall time, in this machine's time zone.
pub(super) fn moment(unix_ms: u64) -> String {
    i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || "?".to_owned(),
            |at| {
                at.to_zoned(TimeZone::system())
                    .strftime("%Y-%m-%d %H:%M:%S%.3f")
                    .to_string()
            },
        )
}

/// A span, in the unit that reads best.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        assert_eq!(span(999), "999 ms");
        assert_eq!(span(1_250), "1.2 s");
        assert_eq!(span(61_000), "1 min 1 s");
        assert_eq!(span(7_260_000), "2 h 1 min");
    }
}
