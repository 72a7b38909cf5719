//! A maildrop whose listing makes no sense of one message: all others are read.

use std::time::Duration;

use mailsyncd::model::failure::FailureCode;

use super::{
    cases::{counts, everywhere},
    maildrop::Maildrop,
};

#[tokio::test]
async fn a_message_that_cannot_be_told_from_others_is_left_and_all_others_are_read() {
    for torn in [
        ("UIDL", 2, "2"),
        ("UIDL", 2, "two name"),
        ("UIDL", 2, ""),
        ("UIDL", 2, "-2 name"),
        ("LIST", 2, "x 10"),
        ("LIST", 2, "4294967296 10"),
        ("LIST", 2, "2 10\r\n2 11"),
        ("LIST", 2, ""),
    ] {
        everywhere(async move |world| {
            world.policy.delete_after = Some(Duration::ZERO);
            let maildrop = Maildrop::of(world);
            maildrop.deliver(&["one", "two", "three"]);
            maildrop.change(|maildrop| maildrop.torn = vec![torn]);
            let report = maildrop.good_visit().await;
            assert_eq!(counts(&report), (2, 0, 0, 0), "{torn:?}");
            assert!(report.left_out.is_some(), "{torn:?}");
            // Whatever is recorded stays as long as it is not sure what is there.
            assert_eq!(report.deleted, 0, "{torn:?}");
            assert!(!maildrop.good_visit().await.did_something(), "{torn:?}");
            maildrop.change(|maildrop| maildrop.torn.clear());
            let report = maildrop.good_visit().await;
            assert_eq!((counts(&report), report.left_out.as_ref()), ((1, 0, 0, 0), None), "{torn:?}");
            assert!(report.deleted >= 2, "{torn:?}: {report:?}");
        })
        .await;
    }
}

/// One that is known and is not listed for a while is not gone, and not read again.
#[tokio::test]
async fn what_is_known_is_not_taken_for_gone_and_not_read_twice() {
    for torn in [("UIDL", 2, "2"), ("LIST", 2, "x 10"), ("LIST", 2, "2 -10")] {
        everywhere(async move |world| {
            let maildrop = Maildrop::of(world);
            maildrop.deliver(&["one", "two", "three"]);
            assert_eq!(counts(&maildrop.good_visit().await), (3, 0, 0, 0));
            maildrop.change(|maildrop| maildrop.torn = vec![torn]);
            maildrop.deliver(&["four"]);
            assert_eq!(maildrop.good_visit().await.recorded, 1, "{torn:?}");
            maildrop.change(|maildrop| maildrop.torn.clear());
            assert_eq!(maildrop.good_visit().await.recorded, 0, "{torn:?}");
            let rows = maildrop.world.present().await;
            let recorded: Vec<&String> =
                rows.iter().filter(|row| row.contains(" recorded ") && !row.contains(" copy ")).collect();
            assert_eq!(recorded.len(), 4, "{torn:?}: {rows:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn where_nothing_makes_sense_the_visit_fails() {
    for torn in [("UIDL", 1, "x"), ("LIST", 1, "x 10")] {
        everywhere(async move |world| {
            let maildrop = Maildrop::of(world);
            maildrop.deliver(&["one"]);
            maildrop.change(|maildrop| maildrop.torn = vec![torn]);
            assert_eq!(maildrop.failed_visit().await.code, FailureCode::ProtocolViolation, "{torn:?}");
        })
        .await;
    }
}
