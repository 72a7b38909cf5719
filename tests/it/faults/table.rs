//! The catalogue as people read it.

use std::{fs, path::Path, time::Duration};

use super::{
    observe::Seen,
    row::{FOR_GOOD, Schedule},
};

/// One line of the table.
pub struct Line {
    pub fault: String,
    pub code: String,
    pub scope: String,
    pub first: String,
    pub last: String,
    pub alert: String,
    pub recovery: String,
    pub complaints: Vec<String>,
}

impl Line {
    fn cells(&self) -> [&str; 8] {
        let verdict = if self.complaints.is_empty() { "ok" } else { "WRONG" };
        [&self.fault, &self.code, &self.scope, &self.first, &self.last, &self.alert, &self.recovery, verdict]
    }
}

/// Heads of the columns.
const HEADS: [&str; 8] = ["fault", "code", "scope", "at first", "after 3½ h", "alert", "recovery", ""];

/// Keeps lines where `tests/run` shows them at its end: cells and tabs, a file for each test.
pub fn keep(test: &str, lines: &[Line]) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
    fs::create_dir_all(&directory).unwrap();
    let row = |line: &Line| line.cells().join("\t") + "\n";
    fs::write(directory.join(test), lines.iter().map(row).collect::<String>()).unwrap();
}

/// All lines, in columns, and what is wrong below them.
pub fn table(lines: &[Line]) -> String {
    let rows: Vec<[&str; 8]> = [HEADS].into_iter().chain(lines.iter().map(Line::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    for line in lines {
        for complaint in &line.complaints {
            text += &format!("{}: {complaint}\n", line.fault);
        }
    }
    text
}

pub fn schedule(seen: Option<Seen>) -> String {
    match seen.map(|seen| seen.schedule) {
        None => "-".into(),
        Some(Schedule::Postponed(wait)) => format!("waits {}", span(wait)),
        Some(Schedule::Held(wait)) if wait >= FOR_GOOD => "held for good".into(),
        Some(Schedule::Held(wait)) => format!("held {}", span(wait)),
        Some(Schedule::Over) => "over".into(),
        Some(Schedule::Disabled) => "disabled".into(),
        Some(Schedule::Mail(status)) => format!("mail {status}"),
    }
}

fn span(wait: Duration) -> String {
    let seconds = wait.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
