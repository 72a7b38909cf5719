//! JSON lines: an object in each line.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{BadRow, Raw, column, no_column, shown};

pub(super) fn rows(text: &[u8]) -> Vec<Raw> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    lines.map(|(index, line)| (index + 1, values(index + 1, line))).collect()
}

/// The members of an object as they stand there: one that is there twice is seen.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn values(line: usize, text: &[u8]) -> Result<Vec<(&'static str, String)>, Vec<BadRow>> {
    let text =
        std::str::from_utf8(text).map_err(|_| vec![BadRow::hint(line, "is not UTF-8", "save the file as UTF-8")])?;
    let members: Members = serde_json::from_str(text).map_err(|error| {
        // It counts the lines of this one line.
        let said = error.to_string();
        let said = said.split_once(" at line ").map_or(said.as_str(), |(said, _)| said);
        let at = match error.column() {
            0 => String::new(),
            column => format!(", at byte {column} of the line"),
        };
        vec![BadRow::new(line, format!("is no JSON object: {said}{at}"))]
    })?;
    let (mut values, mut wrong) = (Vec::<(&'static str, String)>::new(), Vec::new());
    for (name, value) in members.0 {
        let Some(column) = column(&name) else {
            wrong.push(no_column(line, &name));
            continue;
        };
        if values.iter().any(|(known, _)| *known == column) {
            wrong.push(BadRow::new(line, format!("{} is there twice", shown(column))));
            continue;
        }
        match value {
            Value::String(text) => values.push((column, text)),
            // Identifiers are often numbers.
            Value::Number(number) => values.push((column, number.to_string())),
            Value::Null => values.push((column, String::new())),
            _ => wrong.push(BadRow::new(line, format!("{column} must be text"))),
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}
