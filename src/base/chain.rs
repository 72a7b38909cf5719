//! Errors printed with everything that caused them.

use std::{error::Error, fmt};

/// Displays an error and its sources in one line, `: ` between them. A source whose words stand at the
/// end already, as `sqlx` does it, is not repeated.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let words = error.to_string();
            if !said.ends_with(&words) {
                write!(f, ": {words}")?;
                said = words;
            }
            next = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not open the shop")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("answered: {0}")]
    struct Repeats(#[source] io::Error);

    #[test]
    fn shows_every_cause_once() {
        let error = Outer(io::Error::other("no key"));
        assert_eq!(Chain(&error).to_string(), "could not open the shop: no key");
        let repeats = Outer(io::Error::other(Repeats(io::Error::other("no key"))));
        assert_eq!(Chain(&repeats).to_string(), "could not open the shop: answered: no key");
    }
}
