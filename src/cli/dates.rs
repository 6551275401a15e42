//! Seconds since 1970 as dates, in UTC.

use chrono::{DateTime, SecondsFormat};

/// Years beyond these are not the date of a checkpoint.
const SANE_S: std::ops::Range<f64> = 0.0..253_402_300_800.0;

/// `2026-11-25T01:05:59Z`; `None` for what is not a date since 1970.
pub(super) fn stamp(seconds: f64) -> Option<String> {
    let seconds = SANE_S.contains(&seconds).then_some(seconds as i64)?;
    Some(DateTime::from_timestamp(seconds, 0)?.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, stamped) in [
            (0.0, "1970-01-01T00:00:00Z"),
            (951_782_399.0, "2000-02-28T23:59:59Z"),
            (951_782_400.0, "2000-02-29T00:00:00Z"),
            (1_700_003_600.5, "2023-11-14T23:13:20Z"),
            (4_107_542_399.0, "2100-02-28T23:59:59Z"),
            (4_107_542_400.0, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(stamp(seconds).as_deref(), Some(stamped));
        }
        assert_eq!(stamp(253_402_300_799.9).as_deref(), Some("9999-12-31T23:59:59Z"));
        assert_eq!(stamp(253_402_300_800.0), None);
        assert_eq!(stamp(-1.0), None);
        assert_eq!(stamp(f64::NAN), None);
        assert_eq!(stamp(1e300), None);
    }
}
