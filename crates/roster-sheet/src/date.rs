//! Days as people write them.

use jiff::civil::Date;

/// The order in which a day is written where all of it is numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `3/15/2027`, as in the United States.
    MonthFirst,
    /// `15/3/2027`, as in most of the world.
    DayFirst,
}

/// The number of the last day that Excel knows, 9999-12-31.
const LAST_SERIAL: i32 = 2_958_465;

/// Countries that write the month first (Unicode CLDR, the short date of their official languages).
const MONTH_FIRST: [&str; 10] = ["US", "AS", "FM", "GU", "MH", "MP", "PH", "PR", "PW", "VI"];

impl Order {
    /// How it is written in a country, by its two letters.
    pub fn of_country(country: &str) -> Self {
        if MONTH_FIRST.contains(&country) { Order::MonthFirst } else { Order::DayFirst }
    }

    /// The form that is wanted, as an example.
    pub fn example(self) -> &'static str {
        match self {
            Order::MonthFirst => "03/15/2027",
            Order::DayFirst => "15/03/2027",
        }
    }
}

/// Which century two digits stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Century {
    /// The day has been: in the year given at the latest.
    NotAfter(i16),
    /// It may be to come: 69 is 2069, and 70 is 1970 (POSIX, `strptime`).
    Any,
}

impl Century {
    fn of(self, two_digits: i16) -> i16 {
        match self {
            Century::NotAfter(year) if 2000 + two_digits > year => 1900 + two_digits,
            Century::Any if two_digits >= 70 => 1900 + two_digits,
            _ => 2000 + two_digits,
        }
    }
}

/// A day that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The day.
    pub day: Date,
    /// Whether it would be another one with month and day the other way round.
    pub is_ambiguous: bool,
}

/// Reads a day: as ISO 8601 has it, as numbers in this order, with the name of its month in English, or as the number
/// that Excel has for it. A time beside it is passed over.
pub fn read(text: &str, order: Order, century: Century) -> Option<Read> {
    let surely = |day| Some(Read { day, is_ambiguous: false });
    if let Some(day) = iso(text) {
        return surely(day);
    }
    let text = without_time(text);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.len() {
            8 => day(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).and_then(surely),
            5 => serial(text.parse().ok()?).and_then(surely),
            _ => None,
        };
    }
    let parts: Vec<&str> = text.split(['/', '-', '.', ' ', ',', '\u{2010}', '\u{2011}', '\u{2013}']).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let [first, second, third] = *parts.as_slice() else { return None };
    let number = |part: &str| -> Option<i16> {
        let digits = part.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let ending = &part[digits.len()..];
        let is_day = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_day && ["", "st", "nd", "rd", "th"].contains(&&*ending.to_ascii_lowercase()))
            .then(|| digits.parse().ok())?
    };
    let year = |part: &str| -> Option<i16> {
        let all_digits = part.bytes().all(|byte| byte.is_ascii_digit());
        match part.len() {
            2 if all_digits => Some(century.of(part.parse().ok()?)),
            4 if all_digits => part.parse().ok(),
            _ => None,
        }
    };
    match (month(first), month(second)) {
        (None, Some(month)) => {
            // 2027-Mar-15 and 15-Mar-2027.
            match first.len() {
                4 => day(year(first)?, month, number(third)?).and_then(surely),
                _ => day(year(third)?, month, number(first)?).and_then(surely),
            }
        }
        (Some(month), None) => day(year(third)?, month, number(second)?).and_then(surely),
        (Some(_), Some(_)) => None,
        (None, None) => {
            let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            if !parts.iter().all(|part| all_digits(part)) {
                return None;
            }
            if first.len() == 4 {
                return day(year(first)?, number(second)?, number(third)?).and_then(surely);
            }
            // With full stops the day is first wherever days are written so.
            let with_stops = text.contains('.') && !text.contains(['/', '-']);
            let (a, b, year) = (number(first)?, number(second)?, year(third)?);
            let (read, other) = match order {
                Order::MonthFirst if !with_stops => (day(year, a, b), day(year, b, a)),
                _ => (day(year, b, a), day(year, a, b)),
            };
            let is_ambiguous = !with_stops && other.is_some() && other != read;
            read.map(|day| Read { day, is_ambiguous })
        }
    }
}

/// A day of ISO 8601, also with a time behind it.
pub fn iso(text: &str) -> Option<Date> {
    let (date, time) = (text.get(..10)?, &text[10..]);
    let shaped = date.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    let rest = time.strip_prefix(['T', ' ']).unwrap_or(time);
    let is_time =
        rest.is_empty() || (rest.len() < time.len() && rest.chars().all(|c| c.is_ascii_digit() || ":.+-Z".contains(c)));
    (shaped && is_time).then(|| date.parse().ok())?
}

/// The day that Excel has this number for, from 1900 on.
pub fn serial(number: i32) -> Option<Date> {
    // Excel thinks that 1900 was a leap year: from March on every number is one more than it should be.
    let before = if number > 60 { Date::constant(1899, 12, 30) } else { Date::constant(1899, 12, 31) };
    (1..=LAST_SERIAL).contains(&number).then_some(())?;
    (number != 60).then(|| before.checked_add(jiff::Span::new().days(number)).ok())?
}

fn day(year: i16, month: i16, day: i16) -> Option<Date> {
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    (date.year() >= 1_000).then_some(date)
}

/// The month of this name, or of its beginning.
fn month(text: &str) -> Option<i16> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let text = text.to_ascii_lowercase();
    let is_it = |name: &&str| (text.len() >= 3 && name.starts_with(&text)) || (text == "sept" && *name == "september");
    MONTHS.iter().position(is_it).map(|index| index as i16 + 1)
}

/// `3/15/2027 12:00:00 AM`, as Access and SQL Server write a day.
fn without_time(text: &str) -> &str {
    match text.split_once(' ') {
        Some((date, time)) if time.contains(':') && !time.contains(['/', ',']) && date.len() >= 6 => date,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, order: Order, expect: &str) {
        let told = match read(text, order, Century::Any) {
            None => "no day".to_owned(),
            Some(Read { day, is_ambiguous: false }) => day.to_string(),
            Some(Read { day, is_ambiguous: true }) => format!("{day}?"),
        };
        assert_eq!(told, expect, "{text}");
    }

    #[test]
    fn a_day_is_read_as_people_write_it() {
        for text in [
            "2027-03-15",
            "2027-03-15T00:00:00Z",
            "2027-03-15 00:00:00",
            "2027/3/15",
            "2027-Mar-15",
            "15-Mar-27",
            "15 March 2027",
            "Mar 15, 2027",
            "March 15th 2027",
            "15.03.2027",
            "15.3.27",
            "20270315",
            "46461",
        ] {
            check(text, Order::MonthFirst, "2027-03-15");
            check(text, Order::DayFirst, "2027-03-15");
        }
        check("03/15/2027", Order::MonthFirst, "2027-03-15");
        check("3-15-27", Order::MonthFirst, "2027-03-15");
        check("3/15/2027 12:00:00 AM", Order::MonthFirst, "2027-03-15");
        check("15/03/2027", Order::DayFirst, "2027-03-15");
        check("03/04/2027", Order::MonthFirst, "2027-03-04?");
        check("03/04/2027", Order::DayFirst, "2027-04-03?");
        check("03/03/2027", Order::DayFirst, "2027-03-03");
        check("12 Sept 2026", Order::DayFirst, "2026-09-12");
    }

    /// A day in the other order is not guessed: its neighbours in the column were read in this one.
    #[test]
    fn what_is_no_day_is_not_guessed() {
        for text in [
            "",
            "soon",
            "15/03/2027",
            "13/45/2027",
            "2027-02-29",
            "2027-13-01",
            "2027-03-15x",
            "3/15",
            "March 2027",
            "2027",
            "1/2/3/2027",
            "Mar Mar 2027",
            "3/15/207",
            "0/1/2027",
            "999999",
            "é2027-03-15",
            "15xx-Mar-2027",
            "02/30/2027",
            "0027-03-15x",
            "1e5",
        ] {
            check(text, Order::MonthFirst, "no day");
        }
    }

    #[test]
    fn two_digits_are_of_the_century_that_makes_sense() {
        let born = |text: &str| read(text, Order::MonthFirst, Century::NotAfter(2026)).map(|read| read.day.year());
        assert_eq!(born("3/14/45"), Some(1945));
        assert_eq!(born("3/14/26"), Some(2026));
        assert_eq!(born("3/14/27"), Some(1927));
        check("3/14/69", Order::MonthFirst, "2069-03-14");
        check("3/14/70", Order::MonthFirst, "1970-03-14");
    }

    #[test]
    fn a_number_of_excel_is_a_day() {
        for (number, day) in [(1, "1900-01-01"), (59, "1900-02-28"), (61, "1900-03-01"), (46_461, "2027-03-15")] {
            assert_eq!(serial(number).map(|day| day.to_string()).as_deref(), Some(day));
        }
        assert!(serial(0).is_none() && serial(60).is_none() && serial(i32::MAX).is_none());
    }
}
