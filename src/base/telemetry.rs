//! Logs: one line for each thing that happened, readable alone, with fields that can be searched.
//!
//! `async-imap` writes every command, passwords too, to the `log` crate's trace level. Nothing here
//! bridges `log` to `tracing`, and nothing may.

use std::io;

use tracing_subscriber::{EnvFilter, Layer, Registry, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, on standard output.
    #[default]
    Json,
    /// For people, on standard output.
    Text,
    /// Native fields to the systemd journal.
    Journald,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The journal's socket is not there.
    #[error("could not connect to the systemd journal (log.format = \"journald\")")]
    Journald(#[source] io::Error),
    /// `log.level` cannot be read.
    #[error("log.level {level:?} is neither a level nor a filter")]
    Level {
        /// What was given.
        level: String,
        /// Why not.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Sets up logging for the whole process; to be called once, by the daemon.
///
/// `level` is `error`, `warn`, `info`, `debug`, `trace`, or a filter of `tracing-subscriber`.
///
/// # Errors
/// The level is no filter, or the journal is not there.
pub fn start(format: Format, level: &str) -> Result<(), TelemetryError> {
    let filter = filter(level)?;
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_target(false)
            .boxed(),
        Format::Text => tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).boxed(),
        Format::Journald => {
            tracing_journald::layer().map_err(TelemetryError::Journald)?.with_field_prefix(None).boxed()
        }
    };
    // A second start in one process (tests drive the daemon in-process) keeps the first.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Ok(())
}

/// Libraries speak at `warn` and above: their finer levels repeat protocol lines and statements.
fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let directives = if level.contains(['=', ',']) { level.to_owned() } else { format!("warn,mailsyncd={level}") };
    EnvFilter::builder().parse(&directives).map_err(|source| TelemetryError::Level { level: level.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_for_us_and_libraries_stay_quiet() {
        assert_eq!(filter("debug").unwrap().to_string(), "mailsyncd=debug,warn");
        assert_eq!(filter("info,sqlx=debug").unwrap().to_string(), "sqlx=debug,info");
        assert!(filter("loud=very").is_err());
    }
}
