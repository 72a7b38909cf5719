//! Users and queues as a file says them: each row makes one, changes one, or says what is there.

use std::collections::BTreeMap;

use super::{Desk, is_queue, kind_word, names};
use crate::{
    admin::{
        changes::{PlannedChange, Planner},
        error::AdminError,
        import::rows::{BadRow, Row},
        views::owner_name,
    },
    config::Problem,
    model::{ids::OwnerId, mailbox::MailboxKind, record::Owner},
};

/// What a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One that was not there.
    New,
    /// One that becomes different.
    Changed,
    /// All of it is so already.
    Unchanged,
}

/// Decides on the rows of a file, one after the other.
pub struct Importer<'d, 'r> {
    desk: &'d Desk<'r>,
    kind: MailboxKind,
    planner: Planner<'r>,
    by_external_id: BTreeMap<&'r str, Vec<&'r Owner>>,
    taken: BTreeMap<OwnerId, usize>,
}

impl<'d, 'r> Importer<'d, 'r> {
    /// Of users or of queues.
    pub fn new(desk: &'d Desk<'r>, kind: MailboxKind) -> Self {
        let mut by_external_id: BTreeMap<&str, Vec<&Owner>> = BTreeMap::new();
        for owner in desk.records.owners.iter().filter(|owner| owner.active && owner.kind == kind) {
            if let Some(id) = &owner.external_id {
                by_external_id.entry(id).or_default().push(owner);
            }
        }
        let planner = Planner::new(desk.records, desk.now);
        Self { desk, kind, planner, by_external_id, taken: BTreeMap::new() }
    }

    /// What `row` comes to, and the changes that make it so.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn row(&mut self, row: &Row) -> Result<(Outcome, Vec<PlannedChange>), Vec<BadRow>> {
        let decided = self.decide(row);
        // What was planned of a row that turned out wrong is dropped.
        let changes = self.planner.take();
        decided.map(|new| match (new, changes.is_empty()) {
            (true, _) => (Outcome::New, changes),
            (false, false) => (Outcome::Changed, changes),
            (false, true) => (Outcome::Unchanged, changes),
        })
    }

    /// Whether it is a new one.
    fn decide(&mut self, row: &Row) -> Result<bool, Vec<BadRow>> {
        let of_mailbox = [("profile", &row.profile), ("username", &row.username)];
        let of_mailbox: Vec<(&str, &str)> =
            of_mailbox.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect();
        let mut given = vec![("email_address", row.email_address.as_str())];
        given.extend(row.external_id.as_deref().map(|id| ("external_id", id)));
        let desk = self.desk;
        let Some(owner) = self.whose(row).map_err(|bad| vec![bad])? else {
            let made = desk.new_owner(&mut self.planner, self.kind, &row.name, &given, Some(&of_mailbox));
            return made.map(|()| true).map_err(|error| bad(row, error));
        };
        if let Some(line) = self.taken.insert(owner.id, row.line) {
            let why = format!("is {} {}, as line {line} is", kind_word(self.kind), owner.name);
            return Err(vec![BadRow { line: row.line, why, hint: None }]);
        }
        given.push(("name", &row.name));
        let changed = desk.change_owner(&mut self.planner, owner, &given, &of_mailbox);
        changed.map_err(|problems| bad(row, AdminError::Refused { problems }))?;
        if !desk.mailboxes_by_owner.contains_key(&owner.id) {
            self.mailbox_of(owner, row, &of_mailbox)?;
        }
        Ok(false)
    }

    /// The mailbox of an owner that has none; one that was removed does not come back of itself.
    fn mailbox_of(&mut self, owner: &Owner, row: &Row, of_mailbox: &[(&str, &str)]) -> Result<(), Vec<BadRow>> {
        let (desk, what) = (self.desk, kind_word(self.kind));
        let was_removed = desk.records.mailboxes.iter().any(|(mailbox, _)| mailbox.owner == Some(owner.id));
        if was_removed && of_mailbox.is_empty() {
            return Ok(());
        }
        if was_removed {
            let why =
                format!("the mailbox of {what} {} was removed: nothing to give profile or username to", owner.name);
            let hint = format!("mailsyncd mailbox add {} --owner {what}:{:?}", row.email_address, owner.name);
            return Err(vec![BadRow { line: row.line, why, hint: Some(hint) }]);
        }
        let named = owner_name(owner);
        let given = [&[("name", row.name.as_str()), ("owner", named.as_str())], of_mailbox].concat();
        let made = desk.new_mailbox(&mut self.planner, &row.email_address, &given, Some(owner.id));
        made.map_err(|error| bad(row, error))
    }

    /// The one with the identifier, else with the name.
    fn whose(&self, row: &Row) -> Result<Option<&'r Owner>, BadRow> {
        let what = kind_word(self.kind);
        let bad = |why: String, hint: String| BadRow { line: row.line, why, hint: Some(hint) };
        let of_id = row.external_id.as_deref().and_then(|id| self.by_external_id.get(id));
        match of_id.map(Vec::as_slice) {
            Some([owner]) => return Ok(Some(owner)),
            Some(owners) => {
                let all = names(owners.iter().map(|owner| owner.name.as_str()));
                let why = format!(
                    "external_id {:?} is that of several: {all}",
                    row.external_id.as_deref().unwrap_or_default()
                );
                return Err(bad(why, format!("give each its own: mailsyncd {what} set NAME --external-id ID")));
            }
            None => {}
        }
        let named = self.desk.owners.get(&(is_queue(self.kind), row.name.as_str())).copied();
        let Some(owner) = named.filter(|owner| owner.active) else { return Ok(None) };
        match (&row.external_id, &owner.external_id) {
            (Some(new), Some(old)) => {
                let why = format!("{what} {} has the external_id {old:?}, not {new:?}", owner.name);
                let hint = format!("if it is the same: mailsyncd {what} set {:?} --external-id {new:?}", owner.name);
                Err(bad(why, hint))
            }
            _ => Ok(Some(owner)),
        }
    }
}

/// Why the rules refuse a row, in the words of columns.
fn bad(row: &Row, error: AdminError) -> Vec<BadRow> {
    let problems = match error {
        AdminError::Refused { problems } => problems,
        other => vec![other.problem()],
    };
    let said = |problem: Problem| {
        let hint = problem.hint.as_deref().map(in_columns);
        BadRow { line: row.line, why: in_columns(&problem.text), hint }
    };
    problems.into_iter().map(said).collect()
}

fn in_columns(text: &str) -> String {
    let options = [
        (", or --no-mailbox for a user or queue", ""),
        ("--email-address", "email_address"),
        ("--external-id", "external_id"),
        ("--profile", "profile"),
        ("--username", "username"),
        ("--name", "name"),
    ];
    options.into_iter().fold(text.to_owned(), |text, (option, column)| text.replace(option, column))
}
