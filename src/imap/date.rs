//! INTERNALDATE (RFC 9051 §9, `date-time`) as servers really write it.

use jiff::{civil::DateTime, tz::TimeZone};

use crate::model::timestamp::Timestamp;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Reads `17-Jul-1996 02:44:25 -0700`, and forgives: one-digit fields, any case, spaces where
/// none belong, seconds missing or 60, zones by name or missing (both taken as UTC), two-digit
/// years. `None` where no date can be made out.
pub fn internal_date(text: &str) -> Option<Timestamp> {
    let mut words = text.split_ascii_whitespace();
    let mut date = words.next()?.split('-');
    let day: i8 = date.next()?.parse().ok()?;
    let name = date.next()?.get(..3)?.to_ascii_lowercase();
    let month = i8::try_from(MONTHS.iter().position(|month| *month == name)? + 1).ok()?;
    let year: i16 = date.next()?.parse().ok()?;
    let year = match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    };
    let mut time = words.next()?.split(':');
    let hour: i8 = time.next()?.parse().ok()?;
    let minute: i8 = time.next()?.parse().ok()?;
    let second: i8 = time.next().unwrap_or("0").parse().ok()?;
    let local = DateTime::new(year, month, day, hour, minute, second.min(59), 0).ok()?;
    let seconds = local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    Some(Timestamp::from_seconds(seconds - words.next().map_or(0, offset)))
}

/// Seconds east of Greenwich of `+hhmm`, `-hh:mm`; 0 for anything else.
fn offset(zone: &str) -> i64 {
    let (sign, digits) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return 0,
    };
    let number = digits.replace(':', "").parse::<i64>().ok().filter(|number| *number < 2400);
    sign * number.map_or(0, |number| (number / 100) * 3600 + (number % 100) * 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_servers_write() {
        for (text, expected) in [
            ("17-Jul-1996 02:44:25 -0700", "1996-07-17T09:44:25Z"),
            (" 7-Jul-1996 02:44:25 +0530", "1996-07-06T21:14:25Z"),
            ("07-JUL-1996 2:44:25 +0000", "1996-07-07T02:44:25Z"),
            ("7-July-1996 02:44 GMT", "1996-07-07T02:44:00Z"),
            ("07-Jul-96 02:44:60 -01:00", "1996-07-07T03:44:59Z"),
            ("01-Jan-26 00:00:00", "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(internal_date(text), Some(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in
            ["", "NIL", "32-Jul-1996 02:44:25 -0700", "17-Foo-1996 02:44:25", "17-Jul-1996", "1996-07-17T09:44:25Z"]
        {
            assert_eq!(internal_date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+0-9a-zA-Zé: ]{0,40}") {
            let _ = internal_date(&text);
        }
    }
}
