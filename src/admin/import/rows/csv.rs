//! CSV: the first record names the columns.

use ::csv::{ByteRecord, ReaderBuilder};

use super::{BadRow, COLUMNS, FileError, Raw, column, no_column, shown};

/// What spreadsheets put between values; the comma unless the header has more of another.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

pub(super) fn rows(text: &[u8]) -> Result<Vec<Raw>, FileError> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter(text)).from_reader(text);
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut record = ByteRecord::new();
    let mut columns: Option<Vec<&'static str>> = None;
    let mut rows = Vec::new();
    // Reading from memory cannot fail, and rows of any length are taken.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let start = record.position().and_then(|position| usize::try_from(position.byte()).ok());
        let line = lines.of_record(start.unwrap_or_default());
        match &columns {
            None => columns = Some(header(line, &record)?),
            Some(columns) => rows.push((line, values(line, columns, &record))),
        }
    }
    if columns.is_none() { Err(FileError::Empty) } else { Ok(rows) }
}

fn delimiter(text: &[u8]) -> u8 {
    let header = text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |delimiter: u8| header.iter().filter(|byte| **byte == delimiter).count();
    // Of equals the last would win: the comma.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// Counts the lines of records, which may have empty lines before them and line breaks within.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the record that begins at `start`, or behind the empty lines there. In order.
    fn of_record(&mut self, start: usize) -> usize {
        let begins = |(at, byte): &(usize, &u8)| *at >= start && !matches!(**byte, b'\r' | b'\n');
        let behind = self.text.iter().enumerate().skip(self.at);
        let passed = behind.take_while(|next| !begins(next)).map(|(_, byte)| *byte);
        let (count, breaks) =
            passed.fold((0, 0), |(count, breaks), byte| (count + 1, breaks + usize::from(byte == b'\n')));
        self.at += count;
        self.line += breaks;
        self.line
    }
}

fn header(line: usize, record: &ByteRecord) -> Result<Vec<&'static str>, FileError> {
    let (mut columns, mut wrong) = (Vec::new(), Vec::new());
    for field in record {
        let name = String::from_utf8_lossy(field);
        match column(&name) {
            None => wrong.push(no_column(line, &name)),
            Some(column) if columns.contains(&column) => {
                wrong.push(BadRow::new(line, format!("the column {} is there twice", shown(column))));
            }
            Some(column) => columns.push(column),
        }
    }
    let missing = COLUMNS.iter().take(2).filter(|needed| !columns.contains(needed));
    wrong.extend(missing.map(|needed| {
        let hint = format!("the first line names the columns: {}", COLUMNS.join(","));
        BadRow::hint(line, format!("the column {needed:?} is missing"), hint)
    }));
    if wrong.is_empty() { Ok(columns) } else { Err(FileError::Header(wrong)) }
}

fn values(
    line: usize,
    columns: &[&'static str],
    record: &ByteRecord,
) -> Result<Vec<(&'static str, String)>, Vec<BadRow>> {
    if record.len() != columns.len() {
        let (more, count) = (record.len() > columns.len(), record.len());
        let text =
            format!("has {} values than columns: {count}, not {}", if more { "more" } else { "fewer" }, columns.len());
        let hint = "a value with a comma in it stands in quotation marks";
        let hint = Some(hint.to_owned()).filter(|_| more);
        return Err(vec![BadRow { hint, ..BadRow::new(line, text) }]);
    }
    let (mut values, mut wrong) = (Vec::new(), Vec::new());
    for (column, field) in columns.iter().zip(record) {
        match std::str::from_utf8(field) {
            Ok(value) => values.push((*column, value.to_owned())),
            Err(_) => wrong.push(BadRow::hint(line, format!("{column} is not UTF-8"), "save the file as UTF-8")),
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}
