//! Errors printed with everything that caused them.

use std::{error::Error, fmt};

/// Displays an error and its sources in one line, `: ` between them.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
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

    #[test]
    fn shows_every_cause_once() {
        let error = Outer(io::Error::other("no key"));
        assert_eq!(Chain(&error).to_string(), "could not open the shop: no key");
    }
}
