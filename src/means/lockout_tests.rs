use super::*;
use crate::{
    model::{
        ids::{MailboxId, ProfileId},
        mailbox::Workload,
        profile::{AuthMethod, Endpoint, Security, ServerType},
    },
    store::Role,
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SELDOM: Duration = Duration::from_secs(2 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

async fn store(directory: &tempfile::TempDir) -> Store {
    let url = format!("sqlite:{}/x.db", directory.path().display());
    Store::open_and_migrate(&url, Role::Tool).await.unwrap().0
}

fn account(workload: Workload) -> Account {
    let endpoint =
        Endpoint { host: "Mail.Example".to_owned(), port: 993, security: Security::Tls, auth: AuthMethod::Auto };
    Account {
        mailbox: MailboxId::generate(NOW),
        address: "anna@example.org".to_owned(),
        profile: ProfileId::generate(NOW),
        workload,
        server_type: ServerType::ImapSmtp,
        endpoint,
        username: "anna".to_owned(),
        profile_credentials: false,
        maximum_connections: 1,
        skips_old: false,
        timeout: MINUTE,
    }
}

/// Tries to log in and is refused; or says what the guard said.
async fn refused(lockout: &Lockout, account: &Account, password: &str, marker: &Arc<Marker>) -> Result<(), Failure> {
    let secret = Secret::new(password.to_owned());
    let attempt = lockout.ask(account, &secret, Some(Arc::clone(marker)), SELDOM).await?;
    let refusal =
        Failure::new(FailureCode::AuthRejected, Scope::Mailbox, Persistence::UntilConfirmed, "535 no, rosebud");
    lockout.ended(attempt, Some(&refusal)).await;
    Ok(())
}

#[tokio::test]
async fn refusals_count_over_all_protocols_and_daemons_until_one_is_let_in() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
    let store = store(&directory).await;
    let marker = Arc::new(Marker::derived(&[1; 32]));
    let (reading, sending) = (account(Workload::Incoming), account(Workload::Outgoing));
    let lockout = Lockout::new(store.clone(), clock.clone());
    for account in [&reading, &sending, &reading] {
        refused(&lockout, account, "rosebud", &marker).await.unwrap();
    }
    let guarded = refused(&lockout, &sending, "rosebud", &marker).await.unwrap_err();
    assert_eq!((guarded.code, guarded.persistence), (FailureCode::LoginGuarded, Persistence::Throttled));
    assert_eq!((guarded.scope, guarded.retry_after), (Scope::Mailbox, Some(SELDOM)));
    assert!(guarded.text.contains("3 times with this password"), "{}", guarded.text);
    assert!(!guarded.text.contains("rosebud"));

    // Another password, but only one more within the hour; another daemon knows that, too.
    refused(&lockout, &reading, "Rosebud", &marker).await.unwrap();
    let other = Lockout::new(store.clone(), clock.clone());
    let guarded = refused(&other, &reading, "ROSEBUD", &marker).await.unwrap_err();
    assert_eq!(guarded.retry_after, Some(60 * MINUTE));
    assert!(guarded.text.contains("4 times within 1 hours"), "{}", guarded.text);

    clock.set(NOW.plus(60 * MINUTE));
    let secret = Secret::new("ROSEBUD".to_owned());
    let attempt = other.ask(&reading, &secret, Some(Arc::clone(&marker)), SELDOM).await.unwrap();
    other.ended(attempt, None).await;
    assert!(store.refused_accounts().await.unwrap().is_empty());
    refused(&lockout, &sending, "rosebud", &marker).await.unwrap();
}

#[tokio::test]
async fn a_password_that_never_changes_is_sent_six_times_and_no_more() {
    let (directory, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
    let store = store(&directory).await;
    let marker = Arc::new(Marker::derived(&[1; 32]));
    let lockout = Lockout::new(store.clone(), clock.clone());
    let account = Account { profile_credentials: true, ..account(Workload::Incoming) };
    let mut sent = 0;
    for step in 0..1_000 {
        clock.set(NOW.plus(step * 10 * MINUTE));
        sent += usize::from(refused(&lockout, &account, "rosebud", &marker).await.is_ok());
    }
    assert_eq!(sent, SPENT);
    let guarded = refused(&lockout, &account, "rosebud", &marker).await.unwrap_err();
    assert_eq!((guarded.scope, guarded.persistence), (Scope::Profile, Persistence::Permanent));
    // A restart without a key of its own does not know the password again, but the number of refusals.
    let restarted = Lockout::new(store, clock);
    let secret = Secret::new("rosebud".to_owned());
    assert!(restarted.ask(&account, &secret, None, SELDOM).await.is_ok());
}
