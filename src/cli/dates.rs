//! Seconds since 1970 as dates, in UTC.

const DAY_S: i64 = 86_400;

/// Years beyond these are no date of a checkpoint.
const SANE_S: std::ops::Range<f64> = 0.0..253_402_300_800.0;

/// `2026-11-25T01:05:59Z`; none for what is no date since 1970.
pub(super) fn stamp(seconds: f64) -> Option<String> {
    let (year, month, day, rest) = civil(seconds)?;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

/// Year, month, day, and the seconds of the day. Leap days repeat every 400 years of 146,097 days; counted from the 1st of
/// March a leap day is a year's last day.
fn civil(seconds: f64) -> Option<(i64, i64, i64, i64)> {
    let seconds = SANE_S.contains(&seconds).then_some(seconds as i64)?;
    // Days since 0000-03-01.
    let days = seconds / DAY_S + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + i64::from(month <= 2);
    Some((year, month, day, seconds % DAY_S))
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
        assert_eq!(stamp(-1.0), None);
        assert_eq!(stamp(f64::NAN), None);
        assert_eq!(stamp(1e300), None);
    }
}
