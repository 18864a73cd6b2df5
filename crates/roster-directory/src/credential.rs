//! The recertification date: when a credential must be renewed.

use crate::{Flaw, Timestamp};

/// A day of the calendar, without a time or a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// Takes `YYYY-MM-DD`, a day that exists.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
        if !shaped {
            return Err(Flaw::malformed("Invalid date"));
        }
        text.parse().map(Self).map_err(|_| Flaw::malformed("Invalid date"))
    }
}

/// `YYYY-MM-DD`.
impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// When a certification must be renewed.
///
/// The API takes a moment, but the fact is a day: the BACB's deadlines are dates. So both are kept, the instant as it
/// was given and the calendar day as it was written: `2025-01-15T00:00:00Z` is due on the 15th in New York too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecertificationDate {
    at: Timestamp,
    day: Day,
}

impl RecertificationDate {
    /// Takes what zod 3's `z.string().datetime({ offset: true })` takes: RFC 3339 in capitals with `Z` or an offset;
    /// seconds may be left out, and the colon of the offset. Digits beyond the millisecond are dropped.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        scan(text).ok_or_else(|| Flaw::malformed("Invalid datetime"))
    }

    /// What was stored, put together again.
    pub fn from_parts(at: Timestamp, day: Day) -> Self {
        Self { at, day }
    }

    /// The instant.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The calendar day, as it was written.
    pub fn day(&self) -> Day {
        self.day
    }
}

/// RFC 3339, so that both can be read from it: the instant, and the day where it is written. The offset is the least whole
/// number of hours that puts the instant on the day.
impl std::fmt::Display for RecertificationDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let on_the_day =
            |hours: &i64| self.at.plus_millis(hours * 3_600_000).to_string().starts_with(&self.day.to_string());
        // An offset may have 99 hours (zod takes them).
        match (0..=99).flat_map(|hours| [hours, -hours]).find(on_the_day).unwrap_or_default() {
            0 => self.at.fmt(f),
            hours => {
                let local = self.at.plus_millis(hours * 3_600_000).to_string();
                let sign = if hours < 0 { '-' } else { '+' };
                write!(f, "{}{sign}{:02}:00", local.trim_end_matches('Z'), hours.abs())
            }
        }
    }
}

fn scan(text: &str) -> Option<RecertificationDate> {
    let (date, time) = text.split_once('T')?;
    let day = Day::parse(date).ok()?;

    let (time, minutes_east) = match time.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => {
            let sign_at = time.find(['+', '-'])?;
            let (time, offset) = time.split_at(sign_at);
            let sign = if offset.starts_with('-') { -1 } else { 1 };
            let minutes = match offset.len() {
                5 => offset.get(3..)?,
                6 => offset.get(3..)?.strip_prefix(':')?,
                _ => return None,
            };
            (time, sign * (two_digits(offset.get(1..3)?, 99)? * 60 + two_digits(minutes, 99)?))
        }
    };

    let hour = two_digits(time.get(0..2)?, 23)?;
    let minute = time.get(2..5).filter(|t| t.starts_with(':')).and_then(|t| two_digits(&t[1..], 59))?;
    let (second, millis) = match time.get(5..)? {
        "" => (0, 0),
        rest => {
            let second = rest.get(0..3).filter(|t| t.starts_with(':')).and_then(|t| two_digits(&t[1..], 59))?;
            (second, millis(&rest[3..])?)
        }
    };

    let epoch = jiff::civil::Date::constant(1970, 1, 1);
    let midnight = day.0.duration_since(epoch).as_secs() * 1_000;
    let local = ((hour * 60 + minute) * 60 + second) * 1_000 + millis;
    Some(RecertificationDate { at: Timestamp::from_millis(midnight + local - minutes_east * 60_000), day })
}

fn two_digits(text: &str, most: i64) -> Option<i64> {
    let both = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    both.then(|| text.parse().ok())?.filter(|n| *n <= most)
}

/// The milliseconds of `""` or `".123…"`.
fn millis(fraction: &str) -> Option<i64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits = fraction.strip_prefix('.').filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))?;
    Some(digits.bytes().chain(*b"000").take(3).fold(0, |n, b| n * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::{Day, RecertificationDate};

    fn check(text: &str, expect: Option<(&str, &str)>) {
        let got = RecertificationDate::parse(text).ok().map(|r| (r.at().to_string(), r.day().to_string()));
        assert_eq!(got, expect.map(|(at, day)| (at.to_owned(), day.to_owned())), "{text}");
    }

    #[test]
    fn the_instant_and_the_day_are_both_kept() {
        check("2025-01-15T00:00:00Z", Some(("2025-01-15T00:00:00.000Z", "2025-01-15")));
        check("2025-01-15T23:30:00-05:00", Some(("2025-01-16T04:30:00.000Z", "2025-01-15")));
        check("2025-01-15T00:30:00.9996+0530", Some(("2025-01-14T19:00:00.999Z", "2025-01-15")));
        check("2024-02-29T12:00Z", Some(("2024-02-29T12:00:00.000Z", "2024-02-29")));
        check("0000-01-01T00:00:00Z", Some(("0000-01-01T00:00:00.000Z", "0000-01-01")));
    }

    #[test]
    fn the_last_day_of_the_calendar_is_a_day() {
        check("9999-12-31T23:59:59Z", Some(("9999-12-31T23:59:59.000Z", "9999-12-31")));
        // A moment of the year 10000 cannot be written; the day, by which it is judged, can.
        check("9999-12-31T23:59:59-05:00", Some(("9999-12-31T23:59:59.999Z", "9999-12-31")));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2025-01-15",
            "2025-01-15T00:00:00",
            "2025-01-15t00:00:00z",
            "2025-01-15 00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-15T24:00:00Z",
            "2025-01-15T00:60:00Z",
            "2025-01-15T00:00:60Z",
            "2025-01-15T00:00:00.Z",
            "2025-01-15T00:00:00+05",
            "2025-01-15T00:00:00+05:3",
            "2025-01-15T0:00:00Z",
            "25-01-15T00:00:00Z",
            "+02025-01-15T00:00:00Z",
            "2025-01-15T00:00:00\u{e9}Z",
            "2025-01-15T00:00:00+\u{e9}:00",
            "2025-01-15T00:00:00+1\u{e9}1",
            "2025-01-15T00:00:00+\u{20ac}1",
            "2025-01-15T00:00:00+1\u{20ac}",
            "2025-01-15T00:00:00+05-30",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_day_must_exist() {
        assert!(Day::parse("2024-02-29").is_ok());
        for text in ["2023-02-29", "2024-2-29", "24-02-29", "2024-02-29 ", "2024-00-10"] {
            assert!(Day::parse(text).is_err(), "{text}");
        }
    }
}
