//! The audit log as people read it: who changed what, from what to what.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    error::AdminError,
    views::{owner_name, unknown},
};
use crate::{
    model::{record::Records, timestamp::Timestamp},
    store::{AuditFilter, AuditRow, Store},
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct AuditQuery {
    /// Only changes to this: the address of a mailbox, the name of a profile, user (`user:NAME`) or queue, or
    /// the identifier of anything.
    pub subject: Option<String>,
    /// Only from then on.
    pub since: Timestamp,
    /// At most so many.
    pub limit: u32,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditView {
    /// What it was done to, by the name it has now; its identifier where it has none.
    pub name: String,
    /// What differs, `key: before -> after` each.
    pub differences: Vec<String>,
    /// The row.
    #[serde(flatten)]
    pub row: AuditRow,
}

/// The changes that are asked for, newest first.
///
/// # Errors
/// Nothing goes by that name, or the database did not answer.
pub async fn list(store: &Store, query: &AuditQuery) -> Result<Vec<AuditView>, AdminError> {
    let names = names(&store.records().await?);
    let subjects = query.subject.as_deref().map(|name| subjects(&names, name)).transpose()?;
    let filter = AuditFilter { subjects, since: query.since, limit: query.limit };
    let rows = store.audit(&filter).await?;
    let view = |row: AuditRow| AuditView {
        name: names.get(&row.subject).cloned().unwrap_or_else(|| row.subject.to_string()),
        differences: differences(row.before.as_ref(), row.after.as_ref()),
        row,
    };
    Ok(rows.into_iter().map(view).collect())
}

/// What every record goes by.
fn names(records: &Records) -> BTreeMap<Uuid, String> {
    let profiles = records.profiles.iter().map(|(profile, _)| (profile.id.0, format!("profile:{}", profile.name)));
    let owners = records.owners.iter().map(|owner| (owner.id.0, owner_name(owner)));
    let mailboxes = records.mailboxes.iter().map(|(mailbox, _)| (mailbox.id.0, mailbox.email_address.clone()));
    profiles.chain(owners).chain(mailboxes).collect()
}

/// Everything that goes by `name`, with or without its kind.
fn subjects(names: &BTreeMap<Uuid, String>, name: &str) -> Result<BTreeSet<Uuid>, AdminError> {
    if let Ok(id) = name.parse::<Uuid>() {
        return Ok(BTreeSet::from([id]));
    }
    let wanted = name.to_lowercase();
    let bare = |known: &str| known.split_once(':').map_or(known, |(_, name)| name).to_lowercase();
    let fits = |known: &String| known.to_lowercase() == wanted || bare(known) == wanted;
    let found: BTreeSet<Uuid> = names.iter().filter(|(_, known)| fits(known)).map(|(id, _)| *id).collect();
    if found.is_empty() {
        return Err(unknown("record", name, names.values().map(String::as_str)));
    }
    Ok(found)
}

/// What differs between two documents, the keys inside of others with a dot between.
fn differences(before: Option<&Value>, after: Option<&Value>) -> Vec<String> {
    let Some(before) = before else { return Vec::new() };
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    flatten("", before, &mut was);
    after.into_iter().for_each(|after| flatten("", after, &mut is));
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("none", String::as_str).to_owned();
    let differs = keys.into_iter().filter(|key| was.get(*key) != is.get(*key));
    differs.map(|key| format!("{key}: {} -> {}", shown(was.get(key)), shown(is.get(key)))).collect()
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Null => {}
        Value::Object(object) => object.iter().for_each(|(key, value)| flatten(&inner(key), value, into)),
        // A record with where its password comes from.
        Value::Array(pair) if matches!(pair.as_slice(), [Value::Object(_), Value::Object(_)]) => {
            pair.iter().zip([path.to_owned(), inner("password")]).for_each(|(value, path)| flatten(&path, value, into));
        }
        Value::String(text) => {
            into.insert(path.to_owned(), text.clone());
        }
        other => {
            into.insert(path.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before =
            json!([{"name": "a", "incoming": {"host": "x", "port": 993}, "username": null}, {"kind": "stored"}]);
        let after = json!([{"name": "a", "incoming": {"host": "y", "port": 993}, "username": "u"},
            {"kind": "file", "name": "/p"}]);
        assert_eq!(
            differences(Some(&before), Some(&after)),
            [
                "incoming.host: x -> y",
                "password.kind: stored -> file",
                "password.name: none -> /p",
                "username: none -> u"
            ]
        );
        assert!(differences(None, Some(&after)).is_empty(), "a new record is told by what was done");
        assert_eq!(differences(Some(&json!({"key_id": "1"})), Some(&json!({"key_id": "2"}))), ["key_id: 1 -> 2"]);
    }

    #[test]
    fn records_are_found_by_name_with_or_without_their_kind() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let names = BTreeMap::from([(a, "queue:Support".to_owned()), (b, "support@x.example".to_owned())]);
        assert_eq!(subjects(&names, "support").unwrap(), BTreeSet::from([a]));
        assert_eq!(subjects(&names, "queue:support").unwrap(), BTreeSet::from([a]));
        assert_eq!(subjects(&names, "Support@x.example").unwrap(), BTreeSet::from([b]));
        let other = Uuid::from_u128(3);
        assert_eq!(subjects(&names, &other.to_string()).unwrap(), BTreeSet::from([other]));
        assert!(subjects(&names, "nobody").is_err());
    }
}
