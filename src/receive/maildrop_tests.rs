use proptest::prelude::*;

use super::*;
use crate::model::uid::UidValidity;

fn name(number: u64) -> UidlName {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    UidlName(bytes)
}

/// Seen without a look at any header.
fn look(before: &Maildrop, listed: &[ListedMail]) -> Seen {
    identify(before, listed, &BTreeMap::new())
}

fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

/// Messages of these names and sizes, in this order.
fn listed(mails: &[(u64, u64)]) -> Vec<ListedMail> {
    (1..)
        .zip(mails)
        .map(|(number, (called, size))| ListedMail { number, size: *size, name: name(*called), is_place: false })
        .collect()
}

/// What the ledger has once everything that was seen is recorded, and what is gone is noted.
fn recorded(seen: &Seen) -> Maildrop {
    let known = seen.mails.iter().map(|(uid, mail)| KnownMail {
        uid: *uid,
        uidl: mail.uidl,
        size: mail.size,
        message_id: Some(uid.to_string()),
    });
    Maildrop {
        uid_validity: seen.view.uid_validity,
        last_uid: seen.view.uid_next.unwrap().get() - 1,
        starts_over: false,
        known: known.collect(),
    }
}

/// Number, name's rank, and whether it is new, in the order of the listing.
fn shown(seen: &Seen) -> Vec<(u32, u32, bool)> {
    let mut mails: Vec<_> = seen.mails.iter().collect();
    mails.sort_unstable_by_key(|(_, mail)| mail.number);
    mails.into_iter().map(|(uid, mail)| (uid.get(), mail.uidl.rank, mail.is_new)).collect()
}

#[test]
fn new_messages_get_numbers_above_all_and_known_ones_keep_theirs() {
    let first = look(&Maildrop::NEW, &listed(&[(11, 100), (12, 200)]));
    assert_eq!(shown(&first), [(1, 0, true), (2, 0, true)]);
    assert_eq!(first.view.uid_next, Uid::new(3));
    assert_eq!((first.view.uid_validity, first.view.exists), (UidValidity::FIRST_MAILDROP, 2));
    // Servers may list in any order.
    let then = look(&recorded(&first), &listed(&[(13, 300), (12, 200), (14, 10)]));
    assert_eq!(shown(&then), [(3, 0, true), (2, 0, false), (4, 0, true)]);
    assert_eq!(then.gone, [uid(1)]);
    assert!(!then.starts_over);
    // A visit cut short in the middle gives the same numbers again.
    let half = Maildrop { last_uid: 3, ..recorded(&first) };
    let again = look(&half, &listed(&[(12, 200), (15, 1)]));
    assert_eq!(shown(&again), [(2, 0, false), (4, 0, true)]);
}

#[test]
fn messages_of_one_name_are_told_apart_by_size_and_rank() {
    let three = look(&Maildrop::NEW, &listed(&[(7, 100), (7, 100), (7, 50)]));
    assert_eq!(shown(&three), [(1, 0, true), (2, 1, true), (3, 2, true)]);
    let ledger = recorded(&three);
    assert_eq!(
        shown(&look(&ledger, &listed(&[(7, 50), (7, 100), (7, 100)]))),
        [(3, 2, false), (1, 0, false), (2, 1, false)]
    );
    // One more copy; and one goes while another of the same name and size comes, which no server can show.
    assert_eq!(shown(&look(&ledger, &listed(&[(7, 100), (7, 100), (7, 100), (7, 50)])))[2], (4, 3, true));
    // The name is given again to another message: it is read, whatever became of the first.
    let again = look(&ledger, &listed(&[(7, 101), (7, 100), (7, 50)]));
    assert_eq!(shown(&again), [(4, 3, true), (1, 0, false), (3, 2, false)]);
    assert_eq!(again.gone, [uid(2)]);
}

#[test]
fn a_name_that_proves_little_is_looked_behind() {
    let id = |number: u32, id: u32| (number, Some(id.to_string()));
    // Two share a name: one of them went, and another of the same size came.
    let ledger = recorded(&look(&Maildrop::NEW, &listed(&[(7, 100), (7, 100), (8, 100)])));
    let now = listed(&[(7, 100), (7, 100), (8, 100)]);
    assert_eq!(doubtful(&ledger, &now), [1, 2]);
    let seen = identify(&ledger, &now, &BTreeMap::from([id(1, 2), id(2, 77)]));
    assert_eq!(shown(&seen), [(2, 1, false), (4, 2, true), (3, 0, false)]);
    assert_eq!(seen.gone, [uid(1)]);
    // What was set aside or skipped was not read, and is not read again and again.
    let mut unread = ledger.clone();
    unread.known.iter_mut().for_each(|mail| mail.message_id = None);
    let seen = identify(&unread, &now, &BTreeMap::from([id(1, 2), id(2, 77)]));
    assert_eq!(shown(&seen), [(1, 0, false), (2, 1, false), (3, 0, false)]);
    // One is left of the two.
    assert_eq!(doubtful(&ledger, &listed(&[(8, 100), (7, 100)])), [2]);
    // Messages called by their place: nothing is doubted until one of them is not what it was.
    let places = |sizes: &[u64]| {
        let mails: Vec<(u64, u64)> = (1..).zip(sizes.iter().copied()).collect();
        let mut mails = listed(&mails);
        mails.iter_mut().for_each(|mail| mail.is_place = true);
        mails
    };
    let ledger = recorded(&look(&Maildrop::NEW, &places(&[10, 20, 20, 30])));
    assert!(doubtful(&ledger, &places(&[10, 20, 20, 30, 40])).is_empty());
    let now = places(&[20, 20, 30]);
    assert_eq!(doubtful(&ledger, &now), [2]);
    let seen = identify(&ledger, &now, &BTreeMap::from([id(2, 3)]));
    assert_eq!(shown(&seen), [(5, 1, true), (6, 1, true), (7, 1, true)]);
}

/// So many messages of different names from `first` on, each of a size of its own.
fn many(first: u64, count: u64) -> Vec<(u64, u64)> {
    (0..count).map(|number| (first + number, 1_000 + number)).collect()
}

#[test]
fn a_server_that_renames_its_messages_is_noticed() {
    let before = recorded(&look(&Maildrop::NEW, &listed(&many(1, 30))));
    let mut renamed = many(1_001, 30);
    renamed.extend([(5_000, 7), (5_001, 8)]);
    let seen = look(&before, &listed(&renamed));
    assert!(seen.starts_over);
    assert_eq!(seen.view.uid_validity, UidValidity::FIRST_MAILDROP.next_maildrop());
    assert_eq!(shown(&seen), (1..=32).map(|number| (number, 0, true)).collect::<Vec<_>>());
    assert!(seen.gone.is_empty(), "its rows belong to the names of before");
}

#[test]
fn new_mail_is_not_taken_for_renamed_mail() {
    let before = recorded(&look(&Maildrop::NEW, &listed(&many(1, 30))));
    let new: Vec<(u64, u64)> = (0..60).map(|number| (2_000 + number, 50_000 + number)).collect();
    // A flood beside what is there; another program took all and new mail came; too few; half of it known.
    let mut flood = many(1, 30);
    flood.extend(&new);
    let mut half = many(1, 15);
    half.extend(many(1_016, 15));
    for mails in [flood, new, many(1_001, 19), half] {
        let seen = look(&before, &listed(&mails));
        assert!(!seen.starts_over, "{mails:?}");
        assert_eq!(seen.view.uid_validity, before.uid_validity);
    }
    assert!(!look(&Maildrop::NEW, &listed(&many(1, 30))).starts_over);
}

#[test]
fn a_comparison_that_was_begun_goes_on() {
    let begun = Maildrop { starts_over: true, last_uid: 0, ..Maildrop::NEW };
    assert!(look(&begun, &listed(&many(1, 3))).starts_over);
}

proptest! {
    /// Whatever a server lists, visit after visit: each message listed has a number of its own, no
    /// number ever names two, no two rows that are there have one name and rank.
    #[test]
    fn numbers_and_names_are_never_given_twice(visits in prop::collection::vec(
        prop::collection::vec((0u64..4, 0u64..3), 0..12), 1..8))
    {
        let mut ledger = Maildrop::NEW;
        let mut meant: BTreeMap<Uid, (UidlName, u64)> = BTreeMap::new();
        for mails in visits {
            let listed = listed(&mails);
            let seen = look(&ledger, &listed);
            prop_assert_eq!(seen.mails.len(), listed.len());
            let uidls: BTreeSet<Uidl> = seen.mails.values().map(|mail| mail.uidl).collect();
            prop_assert_eq!(uidls.len(), listed.len());
            for (uid, mail) in &seen.mails {
                let what = (mail.uidl.name, mail.size);
                prop_assert_eq!(mail.is_new, uid.get() > ledger.last_uid);
                prop_assert_eq!(*meant.entry(*uid).or_insert(what), what);
            }
            let there = ledger.known.len();
            let known = seen.mails.values().filter(|mail| !mail.is_new).count();
            prop_assert_eq!(known + seen.gone.len(), there);
            ledger = recorded(&seen);
        }
    }
}
