//! What is wrong with the files, all of it at once, each with its place and what to do.

use std::{cell::RefCell, fmt, sync::Arc};

/// Where something stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Position of the file in the order they are read: the main file is 0.
    pub(super) order: usize,
    /// The file, as an absolute path.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl Place {
    /// What the records' `managed_by` says.
    pub fn managed_by(&self) -> String {
        format!("config:{self}")
    }

    /// ` at FILE:LINE`; nothing for what was typed.
    pub(super) fn at(&self) -> String {
        if self.line == 0 { String::new() } else { format!(" at {self}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One thing that is wrong. The line itself is not repeated: it may hold a password by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` where it is about a file that cannot be read.
    pub place: Option<Place>,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.text)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n    hint: {hint}"))
    }
}

/// Everything that is wrong, in the order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// As many are printed: nobody reads more, and a file that is no TOML at all has one for each line.
    const SHOWN: usize = 50;
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem")?,
            count => write!(f, "the configuration has {count} problems")?,
        }
        self.problems.iter().take(Self::SHOWN).try_for_each(|problem| write!(f, "\n  {problem}"))?;
        match self.problems.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Collects problems while the files are read.
#[derive(Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, place: Option<&Place>, text: impl Into<String>, hint: Option<String>) {
        self.0.borrow_mut().push(Problem { place: place.cloned(), text: text.into(), hint });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// `Err` with all of them, if there are any.
    pub(super) fn into_result(self) -> Result<(), ConfigError> {
        let mut problems = self.0.into_inner();
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Err(ConfigError { problems })
    }
}

impl Problems {
    /// `Err` with all of them, if there are any, as they are said of the options of a command: without
    /// places, in the order they were found.
    pub(super) fn into_options(self) -> Result<(), Vec<Problem>> {
        let problems = self.0.into_inner();
        let said = |problem: Problem| Problem {
            place: None,
            hint: problem.hint.as_deref().map(super::draft::in_options),
            ..problem
        };
        if problems.is_empty() { Ok(()) } else { Err(problems.into_iter().map(said).collect()) }
    }
}

/// The one of `candidates` that `word` is most likely a misspelling of.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 8)
        .min()
        .map(|(_, candidate)| candidate)
}

/// [`nearest`] as a hint.
pub(super) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean {candidate:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_problems_are_printed_and_the_others_counted() {
        let problem = |number| Problem { place: None, text: format!("wrong {number}"), hint: None };
        let shown = |count: usize| ConfigError { problems: (1..=count).map(problem).collect() }.to_string();
        assert!(shown(50).ends_with("wrong 50"));
        assert!(shown(1_000).starts_with("the configuration has 1000 problems"));
        assert!(shown(1_000).ends_with("wrong 50\n  and 950 more"));
    }

    #[test]
    fn suggests_what_was_meant_and_nothing_else() {
        let keys = ["minimum_polling_interval", "name", "host"];
        assert_eq!(nearest("minimum_poling_intervall", keys), Some("minimum_polling_interval"));
        assert_eq!(nearest("Hots", keys), Some("host"));
        assert_eq!(nearest("outgoing", keys), None);
    }
}
