use super::*;
use crate::model::{
    ids::{MailboxId, ProfileId},
    timestamp::Timestamp,
};

const CANARY: &str = "Grüße, hunter2!";

fn owners() -> (SecretOwner, SecretOwner) {
    let id = MailboxId::generate(Timestamp::EPOCH);
    (SecretOwner::Mailbox(id), SecretOwner::Profile(ProfileId(id.0)))
}

#[test]
fn what_is_sealed_opens_again_and_shows_nothing() {
    let (owner, _) = owners();
    let (key, _) = Kek::generate().unwrap();
    let sealed = key.seal(owner, &Secret::new(CANARY.to_owned())).unwrap();
    let again = key.seal(owner, &Secret::new(CANARY.to_owned())).unwrap();
    assert_eq!(key.open(owner, &sealed).unwrap().expose(), CANARY);
    assert_ne!(sealed.ciphertext, again.ciphertext);
    assert_ne!(sealed.data_key, again.data_key);
    assert!(!sealed.ciphertext.windows(7).any(|part| part == b"hunter2"));
    assert_eq!((key.id().len(), sealed.key_id.as_str()), (16, key.id()));
}

#[test]
fn a_sealed_secret_does_not_open_in_another_row() {
    let (owner, same_id_other_table) = owners();
    let other_row = SecretOwner::Mailbox(MailboxId::generate(Timestamp::EPOCH));
    let (key, _) = Kek::generate().unwrap();
    let sealed = key.seal(owner, &Secret::new(CANARY.to_owned())).unwrap();
    for moved_to in [same_id_other_table, other_row] {
        assert!(matches!(key.open(moved_to, &sealed), Err(SecretError::Damaged { .. })));
    }
    let other = key.seal(other_row, &Secret::new("another".to_owned())).unwrap();
    let crossed = SealedSecret { ciphertext: other.ciphertext, ..sealed };
    assert!(matches!(key.open(owner, &crossed), Err(SecretError::Damaged { .. })));
}

#[test]
fn any_changed_bit_is_noticed() {
    let (owner, _) = owners();
    let (key, _) = Kek::generate().unwrap();
    let sealed = key.seal(owner, &Secret::new("x".to_owned())).unwrap();
    for index in 0..sealed.ciphertext.len() {
        let mut changed = sealed.clone();
        changed.ciphertext[index] ^= 1;
        assert!(key.open(owner, &changed).is_err(), "ciphertext byte {index}");
    }
    for index in 0..sealed.data_key.len() {
        let mut changed = sealed.clone();
        changed.data_key[index] ^= 1;
        assert!(key.open(owner, &changed).is_err(), "data key byte {index}");
    }
    assert!(key.open(owner, &SealedSecret { ciphertext: vec![1, 2], ..sealed }).is_err());
}

#[test]
fn another_key_is_named() {
    let (owner, _) = owners();
    let (old, _) = Kek::generate().unwrap();
    let (new, _) = Kek::generate().unwrap();
    let sealed = old.seal(owner, &Secret::new(CANARY.to_owned())).unwrap();
    let Err(error) = new.open(owner, &sealed) else { panic!("opened with another key") };
    let text = error.to_string();
    assert!(text.contains(old.id()) && text.contains(new.id()), "{text}");
}

#[test]
fn key_files_are_private_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let made = Kek::create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o400);
    assert_eq!(Kek::from_file(&path).unwrap().id(), made.id());
    assert!(matches!(Kek::create(&path), Err(SecretError::Exists { .. })));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
    assert!(matches!(Kek::from_file(&path), Err(SecretError::Exposed { mode: 0o440, .. })));
    assert!(matches!(Kek::from_file(&directory.path().join("none")), Err(SecretError::Unreadable { .. })));
}

#[test]
fn keys_are_hex_or_base64_of_32_bytes() {
    let zeros = Kek::parse(&format!("{}\n", "00".repeat(32))).unwrap();
    assert_eq!(Kek::parse("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap().id(), zeros.id());
    // sha256sum of 32 zero bytes
    assert_eq!(zeros.id(), "66687aadf862bd77");
    for wrong in ["", "00", "AAAA", &"0g".repeat(32), &"é".repeat(32), &"00".repeat(33)] {
        assert!(Kek::parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn a_password_is_the_first_line() {
    for text in ["pass word\nrest\n", "pass word\r\n", "pass word"] {
        assert_eq!(Secret::first_line(&Zeroizing::new(text.to_owned())).expose(), "pass word");
    }
    assert!(Secret::first_line(&Zeroizing::new(String::new())).is_empty());
}
