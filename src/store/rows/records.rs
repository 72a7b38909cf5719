//! Profiles, users and queues, mailboxes.

use sqlx::FromRow;

use super::{
    super::{
        codec::{Id, Time},
        error::StoreError,
        names::Named,
    },
    failure_code, from_json, narrow, span,
};
use crate::model::{
    care::Care,
    ids::{MailboxId, OwnerId, ProfileId},
    mailbox::{Approval, DeclaredEnabled, Mailbox, MailboxKind, SyncMethod, TestStatus, WorkloadState},
    outbox::InDoubt,
    profile::{AuthMethod, AuthenticateUsing, Endpoint, Security, ServerProfile, ServerType},
    record::{CredentialSource, FilterMethod, Owner},
};

/// Where a password comes from, out of its two columns.
pub fn credentials(source: &str, name: Option<String>) -> Result<CredentialSource, StoreError> {
    match (source, name) {
        ("stored", None) => Ok(CredentialSource::Stored),
        ("file", Some(name)) => Ok(CredentialSource::File(name)),
        ("systemd_credential", Some(name)) => Ok(CredentialSource::SystemdCredential(name)),
        _ => Err(StoreError::unreadable("credential_source", source)),
    }
}

/// Where a password comes from, as its two columns.
pub fn credential_columns(source: &CredentialSource) -> (&'static str, Option<&str>) {
    match source {
        CredentialSource::Stored => ("stored", None),
        CredentialSource::File(name) => ("file", Some(name)),
        CredentialSource::SystemdCredential(name) => ("systemd_credential", Some(name)),
    }
}

/// Of `server_profiles`.
#[derive(FromRow)]
pub struct ProfileRow {
    id: Id,
    name: String,
    description: String,
    server_type: String,
    authenticate_using: String,
    username: Option<String>,
    credential_source: String,
    credential_name: Option<String>,
    incoming_host: String,
    incoming_port: i64,
    incoming_security: String,
    incoming_auth: String,
    process_email_from: Option<Time>,
    minimum_polling_interval: f64,
    maximum_concurrent_connections: i64,
    connection_timeout: f64,
    is_default: bool,
    state: String,
    managed_by: Option<String>,
    outgoing_host: Option<String>,
    outgoing_port: Option<i64>,
    outgoing_security: Option<String>,
    outgoing_auth: Option<String>,
    save_to_sent: bool,
    in_doubt: Option<String>,
    owner: Option<String>,
}

impl ProfileRow {
    /// The record.
    pub fn record(self) -> Result<(ServerProfile, CredentialSource), StoreError> {
        let source = credentials(&self.credential_source, self.credential_name)?;
        let outgoing = match (self.outgoing_host, self.outgoing_port, self.outgoing_security, self.outgoing_auth) {
            (Some(host), Some(port), Some(security), Some(auth)) => Some(Endpoint {
                host,
                port: narrow("outgoing_port", port)?,
                security: Security::of(&security)?,
                auth: AuthMethod::of(&auth)?,
            }),
            _ => None,
        };
        let profile = ServerProfile {
            id: ProfileId(self.id.0),
            name: self.name,
            description: self.description,
            owner: self.owner,
            server_type: ServerType::of(&self.server_type)?,
            authenticate_using: AuthenticateUsing::of(&self.authenticate_using)?,
            username: self.username,
            incoming: Endpoint {
                host: self.incoming_host,
                port: narrow("incoming_port", self.incoming_port)?,
                security: Security::of(&self.incoming_security)?,
                auth: AuthMethod::of(&self.incoming_auth)?,
            },
            outgoing,
            save_to_sent: self.save_to_sent,
            in_doubt: self.in_doubt.as_deref().map(InDoubt::of).transpose()?,
            process_email_from: self.process_email_from.map(|time| time.0),
            minimum_polling_interval: span("minimum_polling_interval", self.minimum_polling_interval)?,
            maximum_concurrent_connections: narrow(
                "maximum_concurrent_connections",
                self.maximum_concurrent_connections,
            )?,
            connection_timeout: span("connection_timeout", self.connection_timeout)?,
            is_default: self.is_default,
            managed_by: self.managed_by,
            active: self.state == "active",
        };
        Ok((profile, source))
    }
}

/// Of `users` or `queues`.
#[derive(FromRow)]
pub struct OwnerRow {
    id: Id,
    name: String,
    email_address: String,
    external_id: Option<String>,
    filter_method: String,
    state: String,
    managed_by: Option<String>,
}

impl OwnerRow {
    /// The record.
    pub fn record(self, kind: MailboxKind) -> Result<Owner, StoreError> {
        Ok(Owner {
            id: OwnerId(self.id.0),
            kind,
            name: self.name,
            email_address: self.email_address,
            external_id: self.external_id,
            filter_method: FilterMethod::of(&self.filter_method)?,
            managed_by: self.managed_by,
            active: self.state == "active",
        })
    }
}

/// Of `mailboxes`.
#[derive(FromRow)]
pub struct MailboxRow {
    id: Id,
    name: String,
    email_address: String,
    kind: String,
    owner: Option<Id>,
    server_profile: Option<Id>,
    username: String,
    credential_source: String,
    credential_name: Option<String>,
    incoming_method: String,
    process_email_received_after: Option<Time>,
    approval: String,
    state: String,
    managed_by: Option<String>,
    incoming_enabled: bool,
    incoming_postponed_until: Option<Time>,
    incoming_transient_failures: i64,
    incoming_confirmations: i64,
    incoming_failing_since: Option<Time>,
    incoming_failure_code: Option<String>,
    incoming_last_error: Option<String>,
    incoming_last_success_at: Option<Time>,
    incoming_next_due_at: Option<Time>,
    outgoing_method: String,
    delete_after_processing: bool,
    outgoing_enabled: bool,
    outgoing_postponed_until: Option<Time>,
    outgoing_transient_failures: i64,
    outgoing_confirmations: i64,
    outgoing_failing_since: Option<Time>,
    outgoing_failure_code: Option<String>,
    outgoing_last_error: Option<String>,
    outgoing_last_success_at: Option<Time>,
    outgoing_next_due_at: Option<Time>,
    incoming_test_status: String,
    outgoing_test_status: String,
    test_completed_at: Option<Time>,
    declared_enabled: Option<String>,
    incoming_care: Option<String>,
    outgoing_care: Option<String>,
    grants: Option<String>,
}

fn care(column: &str, text: Option<&str>) -> Result<Care, StoreError> {
    text.map_or_else(|| Ok(Care::default()), |text| from_json(column, text))
}

impl MailboxRow {
    /// The record alone.
    pub fn mailbox(self) -> Result<Mailbox, StoreError> {
        Ok(self.record()?.0)
    }

    /// The record.
    pub fn record(self) -> Result<(Mailbox, CredentialSource), StoreError> {
        let source = credentials(&self.credential_source, self.credential_name)?;
        let grants = self.grants.unwrap_or_default();
        let mut may_send_as: Vec<String> = grants.lines().map(str::to_owned).collect();
        may_send_as.sort_unstable();
        let mailbox = Mailbox {
            id: MailboxId(self.id.0),
            name: self.name,
            email_address: self.email_address,
            kind: MailboxKind::of(&self.kind)?,
            owner: self.owner.map(|id| OwnerId(id.0)),
            profile: self.server_profile.map(|id| ProfileId(id.0)),
            username: self.username,
            incoming_method: SyncMethod::of(&self.incoming_method)?,
            outgoing_method: SyncMethod::of(&self.outgoing_method)?,
            delete_after_processing: self.delete_after_processing,
            may_send_as,
            process_email_received_after: self.process_email_received_after.map(|time| time.0),
            approval: Approval::of(&self.approval)?,
            active: self.state == "active",
            managed_by: self.managed_by,
            declared_enabled: self.declared_enabled.as_deref().map(DeclaredEnabled::of).transpose()?,
            test_completed_at: self.test_completed_at.map(|time| time.0),
            incoming: WorkloadState {
                enabled: self.incoming_enabled,
                postponed_until: self.incoming_postponed_until.map(|time| time.0),
                transient_failures: narrow("incoming_transient_failures", self.incoming_transient_failures)?,
                confirmations: narrow("incoming_confirmations", self.incoming_confirmations)?,
                failing_since: self.incoming_failing_since.map(|time| time.0),
                failure_code: self.incoming_failure_code.as_deref().map(failure_code).transpose()?,
                last_error: self.incoming_last_error,
                last_success_at: self.incoming_last_success_at.map(|time| time.0),
                next_due_at: self.incoming_next_due_at.map(|time| time.0),
                test_status: TestStatus::of(&self.incoming_test_status)?,
                care: care("incoming_care", self.incoming_care.as_deref())?,
            },
            outgoing: WorkloadState {
                enabled: self.outgoing_enabled,
                postponed_until: self.outgoing_postponed_until.map(|time| time.0),
                transient_failures: narrow("outgoing_transient_failures", self.outgoing_transient_failures)?,
                confirmations: narrow("outgoing_confirmations", self.outgoing_confirmations)?,
                failing_since: self.outgoing_failing_since.map(|time| time.0),
                failure_code: self.outgoing_failure_code.as_deref().map(failure_code).transpose()?,
                last_error: self.outgoing_last_error,
                last_success_at: self.outgoing_last_success_at.map(|time| time.0),
                next_due_at: self.outgoing_next_due_at.map(|time| time.0),
                test_status: TestStatus::of(&self.outgoing_test_status)?,
                care: care("outgoing_care", self.outgoing_care.as_deref())?,
            },
        };
        Ok((mailbox, source))
    }
}
