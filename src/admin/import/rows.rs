//! A file of users or queues, read: CSV with a header, or JSON lines. Pure; every bad row is found.

mod csv;
mod json;

use std::collections::{BTreeMap, btree_map::Entry};

use serde::Serialize;

use crate::model::failure::{clean, is_unsafe};

/// The columns there are. The first two are needed.
pub const COLUMNS: [&str; 5] = ["name", "email_address", "external_id", "profile", "username"];
/// Longest value, in characters: that of an address.
const LONGEST: usize = 320;
/// So much of a value that is wrong is repeated, in characters.
const SHOWN: usize = 60;

/// A row that can be understood. Values are trimmed; an empty one is as good as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where it begins in the file, counted from 1.
    pub line: usize,
    /// Name, unique within its kind.
    pub name: String,
    /// Its address.
    pub email_address: String,
    /// The CRM's own identifier.
    pub external_id: Option<String>,
    /// How its mailbox is reached.
    pub profile: Option<String>,
    /// Log-in name of its mailbox.
    pub username: Option<String>,
}

/// A row that is not taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// Where it begins in the file, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl BadRow {
    fn new(line: usize, why: impl Into<String>) -> Self {
        Self { line, why: why.into(), hint: None }
    }

    fn hint(line: usize, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line, why: why.into(), hint: Some(hint.into()) }
    }
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The good rows, in order.
    pub good: Vec<Row>,
    /// What is wrong with the others, in order; a row may have several things wrong.
    pub bad: Vec<BadRow>,
}

impl Rows {
    /// How many rows the file has.
    pub fn count(&self) -> usize {
        let mut lines: Vec<usize> = self.bad.iter().map(|bad| bad.line).collect();
        lines.dedup();
        self.good.len() + lines.len()
    }
}

/// The file as a whole is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// The encoding of old Windows programs.
    #[error("it is UTF-16, not UTF-8")]
    Utf16,
    /// One JSON document.
    #[error("it is a JSON list, not JSON lines")]
    JsonList,
    /// The header does not say which column is which.
    #[error("{}", together(.0))]
    Header(Vec<BadRow>),
}

impl FileError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Empty => Some(format!("the first line of a CSV file names its columns: {}", COLUMNS.join(","))),
            Self::Utf16 => Some("save it as UTF-8".to_owned()),
            Self::JsonList => Some("write one object in each line, without brackets and commas around them".to_owned()),
            Self::Header(problems) => problems.iter().find_map(|problem| problem.hint.clone()),
        }
    }
}

fn together(problems: &[BadRow]) -> String {
    let whys: Vec<&str> = problems.iter().map(|problem| problem.why.as_str()).collect();
    format!("the header does not fit: {}", whys.join("; "))
}

/// Reads a file. Whether it is CSV or JSON lines is told by how it begins.
///
/// # Errors
/// Nothing in it can be understood.
pub fn read(bytes: &[u8]) -> Result<Rows, FileError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(FileError::Utf16);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let raw = match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err(FileError::Empty),
        Some(b'[') => return Err(FileError::JsonList),
        Some(b'{') => json::rows(text),
        Some(_) => csv::rows(text)?,
    };
    let mut rows = Rows::default();
    for (line, row) in raw {
        match row.and_then(|values| row_of(line, values)) {
            Ok(row) => rows.good.push(row),
            Err(bad) => rows.bad.extend(bad),
        }
    }
    twice(&mut rows);
    Ok(rows)
}

/// The values of a row by their columns, or what is wrong with it; and its line.
type Raw = (usize, Result<Vec<(&'static str, String)>, Vec<BadRow>>);

fn row_of(line: usize, values: Vec<(&'static str, String)>) -> Result<Row, Vec<BadRow>> {
    let mut bad = Vec::new();
    let mut row = Row { line, ..Row::default() };
    for (column, value) in values {
        bad.extend(wrong_value(line, column, &value));
        let value = value.trim().to_owned();
        let some = Some(value.clone()).filter(|value| !value.is_empty());
        match column {
            "name" => row.name = value,
            "email_address" => row.email_address = value,
            "external_id" => row.external_id = some,
            "profile" => row.profile = some,
            _ => row.username = some,
        }
    }
    let needed = [("name", &row.name), ("email_address", &row.email_address)];
    bad.extend(
        needed
            .iter()
            .filter(|(_, value)| value.is_empty())
            .map(|(column, _)| BadRow::new(line, format!("{column} is missing"))),
    );
    if bad.is_empty() { Ok(row) } else { Err(bad) }
}

fn wrong_value(line: usize, column: &str, value: &str) -> Option<BadRow> {
    if value.contains(['\n', '\r']) {
        let hint = "look for a quotation mark that is not closed, in this row or before it";
        return Some(BadRow::hint(line, format!("{column} has a line break in it"), hint));
    }
    if let Some(c) = value.chars().find(|c| is_unsafe(*c)) {
        return Some(BadRow::new(line, format!("{column} has the character U+{:04X} in it", u32::from(c))));
    }
    let length = value.chars().count();
    let long = || BadRow::new(line, format!("{column} has {length} characters, more than {LONGEST}"));
    (length > LONGEST).then(long)
}

/// Of rows that say the same name, address or identifier, the first is good.
fn twice(rows: &mut Rows) {
    let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut good = Vec::new();
    for row in std::mem::take(&mut rows.good) {
        let mut bad = Vec::new();
        let address = row.email_address.to_lowercase();
        let keys = [
            ("name", Some(row.name.clone())),
            ("email_address", Some(address)),
            ("external_id", row.external_id.clone()),
        ];
        for (column, value) in keys {
            let Some(value) = value else { continue };
            match seen.entry((column, value)) {
                Entry::Vacant(free) => {
                    free.insert(row.line);
                }
                Entry::Occupied(first) => {
                    let (value, line) = (&first.key().1, first.get());
                    bad.push(BadRow::new(row.line, format!("{column} {} stands in line {line} already", shown(value))));
                }
            }
        }
        if bad.is_empty() { good.push(row) } else { rows.bad.extend(bad) }
    }
    rows.good = good;
    rows.bad.sort_by_key(|bad| bad.line);
}

/// The column of this name; upper and lower case are one.
fn column(name: &str) -> Option<&'static str> {
    COLUMNS.into_iter().find(|column| column.eq_ignore_ascii_case(name.trim()))
}

fn no_column(line: usize, name: &str) -> BadRow {
    let why = format!("there is no column {}", shown(name));
    match crate::config::nearest(name.trim(), COLUMNS) {
        // Beside the name: a header may have several such.
        Some(near) => BadRow::new(line, format!("{why} (did you mean {near:?}?)")),
        None => BadRow::hint(line, why, format!("there are: {}", COLUMNS.join(", "))),
    }
}

fn shown(value: &str) -> String {
    format!("{:?}", clean(value, SHOWN))
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
