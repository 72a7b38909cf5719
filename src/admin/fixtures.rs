//! Records for the tests of this module.

use std::{collections::BTreeSet, fs};

use crate::{
    config::Config,
    model::{
        ids::MailboxId,
        mailbox::{Mailbox, TestStatus, WorkloadState},
        profile::ServerProfile,
        record::{CredentialSource, RecordChange, Records, SecretOwner, StoredPassword},
        samples,
        timestamp::Timestamp,
    },
};

pub const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// IMAP and SMTP at servers of the profile's name, each mailbox with its own password.
pub fn profile(name: &str) -> ServerProfile {
    ServerProfile {
        incoming: samples::endpoint(&format!("imap.{name}.example"), 993),
        outgoing: Some(samples::endpoint(&format!("smtp.{name}.example"), 465)),
        ..samples::profile(name, NOW)
    }
}

/// A forward mailbox that is read.
pub fn mailbox(address: &str, profile: Option<&ServerProfile>) -> Mailbox {
    Mailbox { profile: profile.map(|profile| profile.id), ..samples::mailbox(address, NOW) }
}

/// Without owners, every password in the database.
pub fn records(profiles: &[ServerProfile], mailboxes: &[Mailbox]) -> Records {
    let stored = |id| StoredPassword { owner: SecretOwner::Mailbox(id), locked_at: None };
    let with_source = |profile: &ServerProfile| (profile.clone(), CredentialSource::Stored);
    Records {
        profiles: profiles.iter().map(with_source).collect(),
        owners: Vec::new(),
        mailboxes: mailboxes.iter().map(|mailbox| (mailbox.clone(), CredentialSource::Stored)).collect(),
        passwords: mailboxes.iter().map(|mailbox| stored(mailbox.id)).collect(),
        tested: BTreeSet::new(),
    }
}

/// What a file with this text says. Each is read from another directory: records do not care.
pub fn config(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mailsyncd.toml");
    fs::write(&file, text).unwrap();
    let mut config = Config::load_with(&file, None).unwrap();
    let declared = &mut config.declared;
    declared.profiles.iter_mut().for_each(|profile| profile.place.file = "test.toml".into());
    declared.owners.iter_mut().for_each(|owner| owner.place.file = "test.toml".into());
    declared.mailboxes.iter_mut().for_each(|mailbox| mailbox.place.file = "test.toml".into());
    config
}

/// What the store does with a change of the records.
pub fn apply(records: &mut Records, change: RecordChange) {
    match change {
        RecordChange::PutProfile(profile, source) => {
            records.profiles.retain(|(old, _)| old.id != profile.id);
            records.profiles.push((profile, source));
        }
        RecordChange::RetireProfile(id) => {
            records.profiles.iter_mut().filter(|(p, _)| p.id == id).for_each(|(p, _)| p.active = false);
        }
        RecordChange::PutOwner(owner) => {
            records.owners.retain(|old| old.id != owner.id);
            records.owners.push(owner);
        }
        RecordChange::RetireOwner(id) => {
            records.owners.iter_mut().filter(|o| o.id == id).for_each(|o| o.active = false);
        }
        RecordChange::PutMailbox(mailbox, source) => {
            records.mailboxes.retain(|(old, _)| old.id != mailbox.id);
            records.mailboxes.push((*mailbox, source));
        }
        RecordChange::EnableIncoming(id) => mailbox_in(records, id).incoming.enabled = true,
        RecordChange::DisableIncoming(id) => {
            switched_off(&mut mailbox_in(records, id).incoming);
            records.tested.remove(&id);
        }
        RecordChange::EnableOutgoing(id) => mailbox_in(records, id).outgoing.enabled = true,
        RecordChange::DisableOutgoing(id) => {
            switched_off(&mut mailbox_in(records, id).outgoing);
            records.tested.remove(&id);
        }
        RecordChange::SetApproval(id, approval) => mailbox_in(records, id).approval = approval,
        RecordChange::RetireMailbox(id) => mailbox_in(records, id).active = false,
        RecordChange::QueueTest(..) | RecordChange::DismissAlert(_) => {}
    }
}

fn mailbox_in(records: &mut Records, id: MailboxId) -> &mut Mailbox {
    &mut records.mailboxes.iter_mut().find(|(mailbox, _)| mailbox.id == id).unwrap().0
}

fn switched_off(state: &mut WorkloadState) {
    let test_status = if state.test_status == TestStatus::Failure { TestStatus::NotRun } else { state.test_status };
    *state = WorkloadState { last_success_at: state.last_success_at, test_status, ..WorkloadState::default() };
}
