//! The log lines of what goes wrong with the daemon as a whole: each is one line with its code.

use std::{net::SocketAddr, path::Path, time::Duration};

use super::DaemonError;
use crate::{
    admin::error::AdminError,
    base::chain::Chain,
    config::{ConfigError, Problem},
    means::stored,
    model::failure::{FailureCode, clean},
};

/// As many problems of the configuration are in one line; the command shows all of them.
const PROBLEMS: usize = 10;
/// No line is longer, in characters.
const LONGEST: usize = 4_000;

/// The configuration was read again, and what was in force stays so.
pub(super) fn not_reloaded(file: &Path, error: &DaemonError) {
    let (code, words, count) = match error {
        DaemonError::Config(error) | DaemonError::Declared(AdminError::Config(error)) => {
            (FailureCode::ConfigurationInvalid, in_one_line(error), error.problems.len())
        }
        DaemonError::Store(error) | DaemonError::Declared(AdminError::Store(error)) => {
            let failure = stored::failure(error);
            (failure.code, failure.text, 1)
        }
        error => (FailureCode::ConfigurationInvalid, Chain(error).to_string(), 1),
    };
    tracing::error!(
        config = %file.display(),
        code = code.name(),
        words = clean(&words, LONGEST),
        hint = code.hint(),
        count,
        "configuration not reloaded: everything stays as it was"
    );
}

fn in_one_line(error: &ConfigError) -> String {
    let said = |Problem { place, text, hint }: &Problem| {
        let place = place.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        let hint = hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})"));
        format!("{place}{text}{hint}")
    };
    let mut words: Vec<String> = error.problems.iter().take(PROBLEMS).map(said).collect();
    let further = error.problems.len().saturating_sub(PROBLEMS);
    if further > 0 {
        words.push(format!("and {further} more"));
    }
    words.join("; ")
}

/// Nobody can look at metrics and health; mail goes on.
pub(super) fn not_shown(address: SocketAddr, error: &std::io::Error) {
    let code = FailureCode::MonitoringUnavailable;
    let (words, hint) = (error.to_string(), code.hint());
    tracing::error!(%address, code = code.name(), words, hint, "metrics and health are not shown");
}

/// The schedule has not turned since the last look.
pub(super) fn stands_still(turns: u64) {
    let code = FailureCode::InternalError;
    let (words, hint) = (format!("it has made {turns} turns"), code.hint());
    tracing::error!(code = code.name(), words, hint, "the schedule stands still: the watchdog is not fed");
}

/// The database did not even refuse.
pub(super) fn no_answer(within: Duration) {
    let code = FailureCode::DatabaseUnavailable;
    let (words, hint) = (format!("no answer within {} s", within.as_secs()), code.hint());
    tracing::error!(code = code.name(), words, hint, "the database does not answer: the watchdog is not fed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_problems_of_a_configuration_are_one_line() {
        let problem = |number| Problem { place: None, text: format!("wrong {number}"), hint: Some("mend it".into()) };
        let line = |count| in_one_line(&ConfigError { problems: (1..=count).map(problem).collect() });
        assert_eq!(line(2), "wrong 1 (mend it); wrong 2 (mend it)");
        assert!(line(12).ends_with("wrong 10 (mend it); and 2 more"));
    }
}
