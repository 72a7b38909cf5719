//! The audit log.

use mailsyncd::{
    model::{
        audit::Actor,
        mailbox::Approval,
        record::{CredentialSource, RecordChange},
    },
    store::AuditFilter,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

use super::fixtures::*;
use crate::support::databases::{TestDatabase, databases};

fn all() -> AuditFilter {
    AuditFilter { subjects: None, since: at(0), limit: 50 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_told_with_their_actor_newest_first() {
    for database in databases().await {
        let store = &database.store;
        let profile = profile("example");
        let mailbox = mailbox("a@example.org", &profile);
        let file = CredentialSource::File("/run/secrets/a".into());
        let first = [RecordChange::PutProfile(profile.clone(), CredentialSource::Stored), put(&mailbox)];
        store.apply(&first, &Actor::Configuration, at(1)).await.unwrap();
        let anna = Actor::CommandLine("anna".into());
        let moved = RecordChange::PutMailbox(Box::new(mailbox.clone()), file);
        let then = [RecordChange::SetApproval(mailbox.id, Approval::Rejected), moved];
        store.apply(&then, &anna, at(2)).await.unwrap();

        let rows = store.audit(&all()).await.unwrap();
        let told: Vec<_> = rows.iter().map(|row| (row.who.as_str(), row.what.as_str(), row.at)).collect();
        let expected = [
            ("cli:anna", "mailbox.put", at(2)),
            ("cli:anna", "mailbox.reject", at(2)),
            ("config", "mailbox.put", at(1)),
            ("config", "profile.put", at(1)),
        ];
        assert_eq!(told, expected);
        assert!(rows.windows(2).all(|pair| pair[0].sequence > pair[1].sequence));
        assert_eq!(rows[3].before, None);
        let approval = |document: &Option<serde_json::Value>| document.as_ref().unwrap()[0]["approval"].clone();
        assert_eq!((approval(&rows[1].before), approval(&rows[1].after)), (json!("approved"), json!("rejected")));
        let source = json!({"kind": "file", "name": "/run/secrets/a"});
        assert_eq!(rows[0].after.as_ref().unwrap()[1], source);

        let of_profile = AuditFilter { subjects: Some([profile.id.0].into()), ..all() };
        let rows = store.audit(&of_profile).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["profile.put"]);
        let later = AuditFilter { since: at(2), limit: 1, ..all() };
        let rows = store.audit(&later).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["mailbox.put"]);
        let of_nothing = AuditFilter { subjects: Some([].into()), ..all() };
        assert!(store.audit(&of_nothing).await.unwrap().is_empty());
    }
}

async fn tries(database: &TestDatabase, sql: &'static str) -> Result<(), sqlx::Error> {
    let statement = AssertSqlSafe(sql);
    if database.url.starts_with("sqlite:") {
        SqliteConnection::connect(&database.url).await?.execute(statement).await.map(drop)
    } else {
        PgConnection::connect(&database.url).await?.execute(statement).await.map(drop)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_never_changed_nor_taken_away() {
    for database in databases().await {
        with_mailboxes(&database.store, &["a@example.org"]).await;
        let before = database.store.audit(&all()).await.unwrap();
        assert_eq!(before.len(), 2);
        for sql in ["UPDATE audit_log SET who = 'nobody'", "DELETE FROM audit_log"] {
            let refused = tries(&database, sql).await.unwrap_err().to_string();
            assert!(refused.contains("rows of audit_log are never"), "{sql}: {refused}");
        }
        assert_eq!(database.store.audit(&all()).await.unwrap(), before);
    }
}
