//! `ADDRESS… | --profile PROFILE | --all`

use clap::Args;

use crate::admin::selection::Selection;

/// Which mailboxes.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct SelectionArguments {
    /// Their addresses.
    #[arg(value_name = "ADDRESS")]
    addresses: Vec<String>,
    /// All mailboxes on the profile of this name.
    #[arg(long = "profile", value_name = "PROFILE")]
    profile: Option<String>,
    /// All mailboxes.
    #[arg(long)]
    all: bool,
}

impl SelectionArguments {
    /// As [`crate::admin`] takes it.
    pub fn selection(&self) -> Selection {
        match &self.profile {
            _ if self.all => Selection::All,
            Some(profile) => Selection::Profile(profile.clone()),
            None => Selection::Addresses(self.addresses.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        which: SelectionArguments,
    }

    fn parse(arguments: &[&str]) -> Option<Selection> {
        let words = ["test"].iter().chain(arguments);
        Some(Command::try_parse_from(words).ok()?.which.selection())
    }

    #[test]
    fn mailboxes_are_selected_in_exactly_one_way() {
        assert_eq!(parse(&["a@x", "b@x"]), Some(Selection::Addresses(vec!["a@x".into(), "b@x".into()])));
        assert_eq!(parse(&["--profile", "p"]), Some(Selection::Profile("p".into())));
        assert_eq!(parse(&["--all"]), Some(Selection::All));
        for wrong in [&[][..], &["a@x", "--all"], &["--all", "--profile", "p"], &["a@x", "--profile", "p"]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
