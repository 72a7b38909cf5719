//! Single values: text with a unit, times, choices. Each reader says what it wanted.

use std::{fmt::Display, ops::RangeInclusive, time::Duration};

use toml::de::DeValue;

use super::problem::suggestion;
use crate::model::timestamp::Timestamp;

/// A value that cannot be used.
pub(super) struct Wrong {
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    pub(super) fn hint(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { text: text.into(), hint: Some(hint.into()) }
    }
}

pub(super) type Read<T> = Result<T, Wrong>;

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Text that is not empty and has no control characters.
pub(super) fn text(value: &DeValue<'_>) -> Read<String> {
    let Some(text) = value.as_str() else {
        return Err(Wrong::new(format!("must be text in quotes, not {}", kind(value))));
    };
    if text.trim().is_empty() {
        return Err(Wrong::new("must not be empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("must not contain control characters"));
    }
    Ok(text.to_owned())
}

pub(super) fn boolean(value: &DeValue<'_>) -> Read<bool> {
    value.as_bool().ok_or_else(|| Wrong::new(format!("must be true or false, not {}", kind(value))))
}

/// A whole number within `range`.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&DeValue<'_>) -> Read<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    move |value| {
        let integer = value.as_integer().ok_or_else(|| Wrong::new(format!("must be a number, not {}", kind(value))))?;
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(|n| T::try_from(n).ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| Wrong::new(format!("must be {} to {}, not {integer}", range.start(), range.end())))
    }
}

/// One of a few words.
pub(super) fn choice<T: Copy>(choices: &[(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Read<T> {
    move |value| {
        let word = text(value)?;
        choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            let wanted = format!("must be {}, not {word:?}", names.join(" or "));
            Wrong { text: wanted, hint: suggestion(&word, choices.iter().map(|(name, _)| *name)) }
        })
    }
}

/// A list of what `read` reads; all items that are wrong are named.
pub(super) fn list<T>(read: impl Fn(&DeValue<'_>) -> Read<T>) -> impl Fn(&DeValue<'_>) -> Read<Vec<T>> {
    move |value| {
        let items = value.as_array().ok_or_else(|| Wrong::new(format!("must be a list, not {}", kind(value))))?;
        let (mut values, mut texts, mut hint) = (Vec::with_capacity(items.len()), Vec::new(), None);
        for (index, item) in items.iter().enumerate() {
            match read(item.get_ref()) {
                Ok(value) => values.push(value),
                Err(wrong) => {
                    texts.push(format!("item {}: {}", index + 1, wrong.text));
                    hint = hint.or(wrong.hint);
                }
            }
        }
        if texts.is_empty() { Ok(values) } else { Err(Wrong { text: texts.join("; "), hint }) }
    }
}

const DURATION_HINT: &str = "write a duration as text with a unit (s, m, h, d), as \"90s\" or \"5m\"";

/// A duration within `range`, as `"90s"`, `"5m"`, `"1h30m"`, `"2d"`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Read<Duration> {
    move |value| {
        let text = value.as_str().ok_or_else(|| Wrong::hint("must be a duration", DURATION_HINT))?;
        let duration =
            parse_duration(text).ok_or_else(|| Wrong::hint(format!("{text:?} is not a duration"), DURATION_HINT))?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        Err(Wrong::new(format!("must be {least} to {most}, not {text}")))
    }
}

/// A duration, or `"off"`.
pub(super) fn duration_or_off(range: RangeInclusive<Duration>) -> impl Fn(&DeValue<'_>) -> Read<Option<Duration>> {
    let read = duration(range);
    move |value| if value.as_str() == Some("off") { Ok(None) } else { read(value).map(Some) }
}

/// `"1h30m"` and the like; units s, m, h, d.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        total = total.checked_add(Duration::from_secs(seconds))?;
        rest = after;
    }
    Some(total)
}

/// Text that [`parse_duration`] reads back: `90m` becomes `1h30m`; days from two on. Parts of a second
/// are cut.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut shown = String::new();
    let days = if rest < 2 * 86_400 { u64::MAX } else { 86_400 };
    for (unit, seconds) in [("d", days), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            shown.push_str(&format!("{}{unit}", rest / seconds));
            rest %= seconds;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

const SIZE_UNITS: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A size in bytes within `range`, as `"25MiB"` or `"50MB"`.
pub(super) fn size(range: RangeInclusive<u64>) -> impl Fn(&DeValue<'_>) -> Read<u64> {
    move |value| {
        let hint = "write a size as text with a unit (B, kB, MB, GB, KiB, MiB, GiB), as \"50MB\"";
        let text = value.as_str().ok_or_else(|| Wrong::hint("must be a size", hint))?;
        let size = parse_size(text).ok_or_else(|| Wrong::hint(format!("{text:?} is not a size"), hint))?;
        if range.contains(&size) {
            return Ok(size);
        }
        Err(Wrong::new(format!("must be {} to {}, not {text}", show_size(*range.start()), show_size(*range.end()))))
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = SIZE_UNITS.iter().find_map(|(name, unit)| Some((text.trim().strip_suffix(name)?, unit)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(*unit)
}

/// The shortest exact text: `50MB`, `25MiB`, `1234B`.
pub(super) fn show_size(size: u64) -> String {
    let exact = SIZE_UNITS.iter().filter(|(_, unit)| size > 0 && size.is_multiple_of(*unit));
    let (name, unit) = exact.max_by_key(|(_, unit)| *unit).copied().unwrap_or(("B", 1));
    format!("{}{name}", size / unit)
}

/// A point in time: TOML's own, with an offset, or RFC 3339 text.
pub(super) fn time(value: &DeValue<'_>) -> Read<Timestamp> {
    let text = match value {
        DeValue::Datetime(time) => time.to_string(),
        DeValue::String(text) => text.to_string(),
        other => return Err(Wrong::new(format!("must be a time, not {}", kind(other)))),
    };
    text.parse()
        .map_err(|_| Wrong::hint(format!("{text} is not a time with an offset"), "write it as 2026-01-01T00:00:00Z"))
}

/// An e-mail address, as far as a mailbox needs one.
pub(super) fn address(value: &DeValue<'_>) -> Read<String> {
    let address = text(value)?;
    let (local, domain) = address.rsplit_once('@').unwrap_or_default();
    let ok = !local.is_empty() && !domain.is_empty() && address.len() <= 320;
    if ok && !address.contains(char::is_whitespace) && !address.contains(['<', '>', ',', ';']) {
        return Ok(address);
    }
    Err(Wrong::new(format!("{address:?} is not an e-mail address")))
}

/// A DNS name or address literal.
pub(super) fn host(value: &DeValue<'_>) -> Read<String> {
    let host = text(value)?;
    if host.contains("://") {
        return Err(Wrong::hint(format!("{host:?} is not a host name"), "give the name alone: no scheme, no port"));
    }
    let literal = host.parse::<std::net::IpAddr>().is_ok();
    let name = host.len() <= 253 && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if literal || name {
        return Ok(host);
    }
    Err(Wrong::hint(format!("{host:?} is not a host name"), "the port goes into port, not into host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_shown() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("1h30m", 5_400), ("2d", 172_800), ("0s", 0), ("24h", 86_400)]
        {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration.as_secs(), seconds, "{text}");
            assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }
        for wrong in ["", "5", "m", "5 minutes", "-5m", "5m3", "1.5h", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(show_duration(Duration::from_secs(5_400)), "1h30m");
    }

    #[test]
    fn sizes_read_back_as_shown() {
        for (text, bytes) in [("50MB", 50_000_000), ("25MiB", 26_214_400), ("1 kB", 1_000), ("7B", 7), ("0B", 0)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
        }
        for wrong in ["", "50", "MB", "5mb", "-1B", "18446744073709551615GB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
        assert_eq!((show_size(256_000_000), show_size(26_214_400)), ("256MB".to_owned(), "25MiB".to_owned()));
    }
}
