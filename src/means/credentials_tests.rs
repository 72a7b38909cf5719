use std::fs;

use super::*;
use crate::{
    base::{chain::Chain, secret::Kek},
    model::{
        audit::Actor,
        profile::{AuthenticateUsing, ServerProfile},
        record::RecordChange,
        samples,
        timestamp::Timestamp,
    },
    store::Role,
};

struct Place {
    directory: tempfile::TempDir,
    store: Store,
    profile: ServerProfile,
}

const CONFIG: &str = "[secrets]\nkey_file = \"key\"\n[[profile]]\nname = \"p\"\nincoming = { host = \"h\" }\n";

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Kek::create(&directory.path().join("key")).unwrap();
        let url = format!("sqlite:{}/x.db", directory.path().display());
        let (store, _) = Store::open_and_migrate(&url, Role::Tool).await.unwrap();
        let profile = ServerProfile {
            authenticate_using: AuthenticateUsing::Profile,
            username: Some("sync".to_owned()),
            ..samples::profile("p", Timestamp::EPOCH)
        };
        Self { directory, store, profile }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn source(&self, source: CredentialSource) -> SecretOwner {
        let change = RecordChange::PutProfile(self.profile.clone(), source);
        self.store.apply(&[change], &Actor::Configuration, Timestamp::EPOCH).await.unwrap();
        SecretOwner::Profile(self.profile.id)
    }

    fn credentials(&self, directory: Option<PathBuf>) -> Credentials {
        fs::write(self.path("m.toml"), CONFIG).unwrap();
        let config = Config::load_with(&self.path("m.toml"), directory).unwrap();
        Credentials::new(self.store.clone(), Arc::new(config))
    }
}

async fn error(credentials: &Credentials, owner: SecretOwner) -> String {
    let error = credentials.password(owner).await.err().expect("there is no password");
    Chain(&error).to_string()
}

#[tokio::test]
async fn a_password_file_is_read_anew_each_time() {
    let place = Place::new().await;
    let path = place.path("password");
    let owner = place.source(CredentialSource::File(path.display().to_string())).await;
    let credentials = place.credentials(None);
    assert!(error(&credentials, owner).await.starts_with("could not read the password file /"));
    for password in ["first", "sécond word"] {
        fs::write(&path, format!("{password}\r\n# a comment\n")).unwrap();
        assert_eq!(credentials.password(owner).await.ok().unwrap().expose(), password);
    }
    fs::write(&path, "\nsecond line\n").unwrap();
    assert!(error(&credentials, owner).await.ends_with("holds no password in its first line"));
}

#[tokio::test]
async fn a_systemd_credential_lies_in_the_directory_of_the_process() {
    let place = Place::new().await;
    let owner = place.source(CredentialSource::SystemdCredential("imap".to_owned())).await;
    assert!(error(&place.credentials(None), owner).await.contains("$CREDENTIALS_DIRECTORY is not set"));
    fs::write(place.path("imap"), "pw").unwrap();
    let credentials = place.credentials(Some(place.directory.path().to_owned()));
    assert_eq!(credentials.password(owner).await.ok().unwrap().expose(), "pw");
}

#[tokio::test]
async fn a_stored_password_needs_its_key() {
    let place = Place::new().await;
    let owner = place.source(CredentialSource::Stored).await;
    let credentials = place.credentials(None);
    assert_eq!(error(&credentials, owner).await, "no password is stored");
    let key = Kek::from_file(&place.path("key")).unwrap();
    let sealed = key.seal(owner, &Secret::new("canary".to_owned())).unwrap();
    place.store.put_secret(owner, &sealed, &Actor::Configuration, Timestamp::EPOCH).await.unwrap();
    assert_eq!(credentials.password(owner).await.ok().unwrap().expose(), "canary");

    // The key is kept once it was read; another process finds another key, or none.
    fs::remove_file(place.path("key")).unwrap();
    assert!(credentials.password(owner).await.is_ok());
    let other = Kek::create(&place.path("key")).unwrap();
    let text = error(&place.credentials(None), owner).await;
    assert!(text.contains(key.id()) && text.contains(other.id()) && !text.contains("canary"), "{text}");
    let late = place.credentials(None);
    fs::remove_file(place.path("key")).unwrap();
    assert!(error(&late, owner).await.contains("could not read the key"));
}

#[tokio::test]
async fn what_is_not_the_password_s_fault_is_not_blamed_on_it() {
    let place = Place::new().await;
    let owner = place.source(CredentialSource::Stored).await;
    let credentials = place.credentials(None);
    place.store.close().await;
    let error = credentials.password(owner).await.err().unwrap();
    assert!(matches!(error, CredentialsError::Store(_)), "{error}");
    let database = error.failure(Scope::Mailbox);
    assert_eq!((database.code, database.scope), (FailureCode::DatabaseUnavailable, Scope::Daemon));

    let file = |number| CredentialsError::File { path: "p".into(), source: io::Error::from_raw_os_error(number) };
    let key = |number| {
        let source = io::Error::from_raw_os_error(number);
        CredentialsError::Key(KeyError::Secret(SecretError::Unreadable { path: "k".into(), source }))
    };
    for error in [file(24), file(23), key(24)] {
        let failure = error.failure(Scope::Mailbox);
        assert_eq!((failure.code, failure.scope), (FailureCode::ResourcesExhausted, Scope::Daemon), "{error}");
        assert_eq!(failure.persistence, Persistence::Transient);
    }
    let other = SecretError::OtherKey { sealed: "a".into(), present: "b".into() };
    for (error, persistence) in [
        (file(2), Persistence::UntilConfirmed),
        (CredentialsError::NotStored, Persistence::UntilConfirmed),
        // Whoever decides on it takes their time.
        (CredentialsError::Locked { since: Timestamp::EPOCH }, Persistence::Throttled),
        // The operator's affair: no mailbox may be disabled for it, however long it lasts.
        (key(13), Persistence::Throttled),
        (CredentialsError::Sealed(other), Persistence::Throttled),
    ] {
        let failure = error.failure(Scope::Profile);
        let is_locked = matches!(error, CredentialsError::Locked { .. });
        let code = if is_locked { FailureCode::CredentialsLocked } else { FailureCode::CredentialsMissing };
        assert_eq!((failure.code, failure.scope), (code, Scope::Profile), "{error}");
        assert_eq!(failure.persistence, persistence, "{error}");
    }
}
