//! The one place that prints.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use serde::Serialize;

use super::args::Form;
use crate::{
    base::chain::Chain,
    model::{
        failure::{clean, is_unsafe},
        timestamp::Timestamp,
    },
};

/// Longest cell of a table on a terminal, in characters.
const LONGEST_CELL: usize = 60;

/// Writes bytes to standard output. Whoever reads may stop reading: that is no failure.
///
/// # Errors
/// Standard output takes no more, for another reason.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes `value` as JSON, or the text of `people`.
///
/// # Errors
/// As [`write()`].
pub fn show<T: Serialize>(form: Form, value: &T, people: impl FnOnce() -> String) -> io::Result<()> {
    let mut text = if form.json { json(value)? } else { people() };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    write(text.as_bytes())
}

/// One JSON document. Text of mails stays what it is, but what could drive a terminal is escaped.
fn json<T: Serialize>(value: &T) -> io::Result<String> {
    let mut escaped = String::new();
    for c in serde_json::to_string_pretty(value)?.chars() {
        if c == '\n' || !is_unsafe(c) {
            escaped.push(c);
        } else {
            // Such characters stand in strings only, and none needs a surrogate pair.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
    }
    Ok(escaped)
}

/// Writes an error with its causes, and what to do, to standard error.
pub fn complain(error: &(dyn std::error::Error + 'static), hint: Option<&str>) {
    let mut text = format!("error: {}\n", Chain(error));
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Nobody is left to be told that standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes what is no result and no error to standard error.
pub fn remark(text: &str) {
    // Nobody is left to be told that standard error is closed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Foreign text in one line, whole.
pub fn line(text: &str) -> String {
    clean(text, usize::MAX)
}

/// A cell of a table no wider than a terminal can bear.
fn cut(cell: &str) -> String {
    if cell.chars().count() <= LONGEST_CELL {
        return cell.to_owned();
    }
    clean(cell, LONGEST_CELL - 1) + "…"
}

/// A time in a list, to the second.
pub fn when(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}

/// A time to the second.
pub fn seconds(time: Timestamp) -> String {
    time.to_the_second()
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

/// Aligned columns under a heading. Cells are cleaned here, and cut where a terminal shows them.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With these headings.
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(|text| line(text)).collect());
    }

    /// As text; `nothing` where there are no rows.
    pub fn text(&self, nothing: &str) -> String {
        self.text_for(io::stdout().is_terminal(), nothing)
    }

    fn text_for(&self, terminal: bool, nothing: &str) -> String {
        if self.rows.len() == 1 {
            return nothing.to_owned();
        }
        let shown = |cell: &String| if terminal { cut(cell) } else { cell.clone() };
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
        let columns = rows.first().map_or(0, Vec::len);
        let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `name: value` lines, aligned. Values are cleaned here.
#[derive(Default)]
pub struct Facts {
    rows: Vec<(&'static str, String)>,
}

impl Facts {
    /// Adds a line.
    pub fn add(&mut self, name: &'static str, value: impl ToString) {
        self.rows.push((name, clean(&value.to_string(), 1_000)));
    }

    /// Adds a line where there is a value.
    pub fn some(&mut self, name: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// As text.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|(name, _)| name.chars().count() + 1).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.rows {
            let _ = writeln!(text, "{:width$} {value}", format!("{name}:"));
        }
        text
    }
}

/// Text of a mail for a terminal: lines stay, control characters do not.
pub fn paragraphs(text: &str) -> String {
    let mut shown = String::new();
    for line in text.lines() {
        // `clean` trims; the indentation of a line is part of the text.
        let indentation = line.len() - line.trim_start_matches(' ').len();
        let _ = writeln!(shown, "{:indentation$}{}", "", clean(line, usize::MAX));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_and_clean() {
        let mut table = Table::new(&["NAME", "TEXT"]);
        table.row(&["a", "x\u{1b}[31m\ny"]);
        table.row(&["longer", &"é".repeat(100)]);
        let begin = "NAME    TEXT\na       x [31m y\nlonger  ";
        assert_eq!(table.text_for(true, "none"), format!("{begin}{}…\n", "é".repeat(59)));
        assert_eq!(table.text_for(false, "none"), format!("{begin}{}\n", "é".repeat(100)));
        assert_eq!(Table::new(&["NAME"]).text("none"), "none");
    }

    #[test]
    fn json_is_safe_to_look_at_and_reads_back() {
        let text = "\u{1b}[2J\u{9b}31m\u{202e}\u{2028}\u{7f}\"ł\n";
        let shown = json(&[text]).unwrap();
        assert!(shown.chars().all(|c| c == '\n' || !is_unsafe(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [text]);
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!([999, 1_000, 60_123_456, 2_990_000_000].map(size), ["999 B", "1.0 kB", "60.1 MB", "2.9 GB"]);
    }

    #[test]
    fn the_text_of_a_mail_keeps_its_lines_only() {
        assert_eq!(paragraphs("a\r\n  b\u{9b}31m\tc\n\nd"), "a\n  b 31m c\n\nd\n");
    }
}
