//! Checks that look at several records: doubles, names that lead nowhere, what the network forbids.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    declared::{Declared, DeclaredMailbox, OwnerName},
    problem::{Place, Problems, suggestion},
    profile::DeclaredProfile,
    settings::{EmailSettings, Network},
};
use crate::model::{
    mailbox::{MailboxKind, SyncMethod},
    profile::{AuthenticateUsing, Security},
};

/// Checks everything declared, fills in default profiles, and gives each user and queue its mailbox.
pub(super) fn check(
    declared: &mut Declared,
    settings: &EmailSettings,
    default_profile: Option<&Place>,
    network: &Network,
    problems: &Problems,
) {
    doubles(declared, problems);
    endpoints(&declared.profiles, network, problems);
    profiles(declared, settings, default_profile, problems);
    owners(declared, problems);
    credentials(declared, problems);
    give_mailboxes(declared, settings, problems);
    senders(declared, problems);
}

/// Checks what can be checked where a file could not be read: names may be declared there. What was
/// not checked is said.
pub(super) fn check_in_part(declared: &Declared, problems: &Problems) {
    doubles(declared, problems);
    credentials(declared, problems);
    senders(declared, problems);
    if declared.mailboxes.is_empty() && declared.profiles.is_empty() && declared.owners.is_empty() {
        return;
    }
    let text = "not checked: whether the profiles, users and queues that are named exist, and what [network] forbids";
    let hint = "they may stand in the file that cannot be read: put that right first, then check again";
    problems.add(None, text, Some(hint.to_owned()));
}

/// Checks records that a command makes or changes, with those that depend on them.
pub(super) fn together(declared: &Declared, network: &Network, problems: &Problems) {
    endpoints(&declared.profiles, network, problems);
    credentials(declared, problems);
    senders(declared, problems);
}

fn doubles(declared: &Declared, problems: &Problems) {
    let profiles = declared.profiles.iter().map(|profile| (format!("profile {}", profile.name), &profile.place));
    unique(profiles, problems);
    unique(declared.owners.iter().map(|owner| (owner_text(owner.kind, &owner.name), &owner.place)), problems);
    let mailboxes = declared.mailboxes.iter();
    unique(mailboxes.clone().map(|m| (format!("mailbox {}", m.email_address.to_lowercase()), &m.place)), problems);
    let owners = mailboxes.filter_map(|mailbox| Some((mailbox.owner.as_ref()?, &mailbox.place)));
    unique(
        owners.map(|(owner, place)| (format!("mailbox of {}", owner_text(owner.kind, &owner.name)), place)),
        problems,
    );
}

fn unique<'p>(names: impl Iterator<Item = (String, &'p Place)>, problems: &Problems) {
    let mut seen: BTreeMap<String, &Place> = BTreeMap::new();
    for (name, place) in names {
        if let Some(first) = seen.get(&name) {
            problems.add(Some(place), format!("{name} is declared twice"), Some(format!("the first is at {first}")));
        } else {
            seen.insert(name, place);
        }
    }
}

fn endpoints(profiles: &[DeclaredProfile], network: &Network, problems: &Problems) {
    for profile in profiles {
        let outgoing = profile.outgoing.as_ref().map(|outgoing| (outgoing, &profile.outgoing_place));
        let all = [Some((&profile.incoming, &profile.incoming_place)), outgoing];
        for (endpoint, place) in all.into_iter().flatten().filter(|(endpoint, _)| !endpoint.host.is_empty()) {
            if endpoint.security == Security::None && !network.allow_cleartext {
                let text =
                    format!("profile {}: security = \"none\" sends passwords and mail in the clear", profile.name);
                let hint = "use \"tls\" or \"starttls\", or set network.allow_cleartext = true".to_owned();
                problems.add(Some(place), text, Some(hint));
            }
            if !network.allowed_ports.contains(&endpoint.port) {
                let text = format!("profile {}: port {} is not allowed", profile.name, endpoint.port);
                problems.add(Some(place), text, Some(format!("add {} to network.allowed_ports", endpoint.port)));
            }
        }
    }
}

fn known(name: &str, what: &str, known: &BTreeSet<&str>, place: Option<&Place>, problems: &Problems) {
    if !known.contains(name) {
        let hint = suggestion(name, known.iter().copied());
        problems.add(place, format!("there is no {what} {name:?}"), hint);
    }
}

fn profiles(declared: &mut Declared, settings: &EmailSettings, default_place: Option<&Place>, problems: &Problems) {
    let names = declared.profiles.iter().map(|profile| profile.name.as_str()).collect();
    if let Some(name) = &settings.default_profile {
        known(name, "profile", &names, default_place, problems);
    }
    for mailbox in &mut declared.mailboxes {
        if let Some(name) = &mailbox.profile {
            known(name, "profile", &names, Some(&mailbox.profile_place), problems);
        } else if settings.default_profile.is_none() && uses_server(mailbox) {
            let text = format!("mailbox {} has no profile, and there is no default", mailbox.email_address);
            let hint = "give profile, or email_settings.default_profile (a default that a command made is for \
                        mailboxes made by command)";
            problems.add(Some(&mailbox.place), text, Some(hint.to_owned()));
        } else {
            mailbox.profile.clone_from(&settings.default_profile);
        }
    }
}

fn uses_server(mailbox: &DeclaredMailbox) -> bool {
    [mailbox.incoming, mailbox.outgoing].contains(&SyncMethod::ServerSideSync)
}

fn owners(declared: &Declared, problems: &Problems) {
    for (what, kind) in [("user", MailboxKind::User), ("queue", MailboxKind::Queue)] {
        let owners = declared.owners.iter().filter(|owner| owner.kind == kind);
        let names = owners.map(|owner| owner.name.as_str()).collect();
        for mailbox in &declared.mailboxes {
            if let Some(owner) = mailbox.owner.as_ref().filter(|owner| owner.kind == kind) {
                known(&owner.name, what, &names, Some(&mailbox.owner_place), problems);
            }
        }
    }
}

/// A password that would never be used is a misunderstanding.
fn credentials(declared: &Declared, problems: &Problems) {
    let own = |profile: &&DeclaredProfile| profile.authenticate_using == AuthenticateUsing::Profile;
    let own: BTreeSet<&str> = declared.profiles.iter().filter(own).map(|profile| profile.name.as_str()).collect();
    for mailbox in declared.mailboxes.iter().filter(|mailbox| mailbox.credentials.is_some()) {
        if let Some(profile) = mailbox.profile.as_deref().filter(|profile| own.contains(profile)) {
            let address = &mailbox.email_address;
            let text = format!("mailbox {address}: its password is not used: profile {profile} logs in with its own");
            let hint = "leave it out, or set authenticate_using = \"mailbox\" on the profile".to_owned();
            problems.add(Some(&mailbox.credentials_place), text, Some(hint));
        }
    }
}

/// Who sends needs a server that takes the mail.
fn senders(declared: &Declared, problems: &Problems) {
    let cannot = |profile: &&DeclaredProfile| profile.outgoing.is_none();
    let cannot: BTreeMap<&str, &Place> =
        declared.profiles.iter().filter(cannot).map(|profile| (profile.name.as_str(), &profile.place)).collect();
    for mailbox in declared.mailboxes.iter().filter(|mailbox| mailbox.outgoing == SyncMethod::ServerSideSync) {
        let profile = mailbox.profile.as_deref();
        if let Some((profile, place)) = profile.and_then(|profile| cannot.get_key_value(profile)) {
            let text = format!("mailbox {}: profile {profile} has no outgoing server", mailbox.email_address);
            let hint = format!(
                "give outgoing = {{ host = \"smtp.example.com\" }} in the profile{}, or say outgoing = \"none\"",
                place.at()
            );
            problems.add(Some(&mailbox.place), text, Some(hint));
        }
    }
}

fn owner_text(kind: MailboxKind, name: &str) -> String {
    if kind == MailboxKind::User { format!("user {name}") } else { format!("queue {name}") }
}

/// A user or queue without a mailbox of its own gets one at its address, on the default profile.
fn give_mailboxes(declared: &mut Declared, settings: &EmailSettings, problems: &Problems) {
    let owned = declared.mailboxes.iter().filter_map(|mailbox| mailbox.owner.as_ref());
    let owned: BTreeSet<String> = owned.map(|owner| owner_text(owner.kind, &owner.name)).collect();
    let mailboxes = declared.mailboxes.iter();
    let mut taken: BTreeMap<String, Place> =
        mailboxes.map(|mailbox| (mailbox.email_address.to_lowercase(), mailbox.place.clone())).collect();
    for owner in &declared.owners {
        let owner_name = owner_text(owner.kind, &owner.name);
        if owned.contains(&owner_name) {
            continue;
        }
        if let Some(other) = taken.insert(owner.email_address.to_lowercase(), owner.place.clone()) {
            let text = format!("{owner_name}: the mailbox {} belongs to another", owner.email_address);
            let hint = format!("the other is at {other}; give one of them its own email_address or [[mailbox]]");
            problems.add(Some(&owner.place), text, Some(hint));
            continue;
        }
        declared.mailboxes.push(DeclaredMailbox {
            place: owner.place.clone(),
            owner_place: owner.place.clone(),
            profile_place: owner.place.clone(),
            credentials_place: owner.place.clone(),
            name: owner.name.clone(),
            email_address: owner.email_address.clone(),
            owner: Some(OwnerName { kind: owner.kind, name: owner.name.clone() }),
            profile: settings.default_profile.clone(),
            username: owner.email_address.clone(),
            credentials: None,
            incoming: settings.incoming,
            outgoing: settings.outgoing,
            may_send_as: Vec::new(),
            delete_after_processing: false,
            process_email_received_after: None,
            approved: None,
            enabled: None,
        });
    }
}
