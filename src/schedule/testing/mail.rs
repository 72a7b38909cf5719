//! The mail that a mailbox sends to itself. Pure.

use crate::{
    mime::compose::{ComposeError, ComposeRules, ComposedBytes, compose},
    model::{
        ids::ActivityId,
        message::{Party, PartyRole},
        outbox::{Draft, OutboxParty},
        testing::SUBJECT,
        timestamp::Timestamp,
    },
};

/// More than any test mail has, in bytes.
const MAXIMUM_SIZE: u64 = 64 << 10;
/// Automatic mail never answers automatic mail (RFC 3834).
const AUTOMATIC: &[u8] = b"Auto-Submitted: auto-generated\r\n";

/// Writes the test mail of the mailbox `address`. `id` makes its Message-ID, which nobody can guess.
///
/// # Errors
/// The address or the organization's name cannot stand in a mail.
pub fn test_mail(
    id: ActivityId,
    address: &str,
    organization: &str,
    now: Timestamp,
) -> Result<ComposedBytes, ComposeError> {
    let text = format!(
        "This mail was sent by mailsyncd, through this mailbox and to itself, to see that it can send.\r\n\
         Its mail is synchronized with {organization}. There is nothing to do; this mail may be deleted.\r\n"
    );
    let draft = Draft {
        subject: format!("{SUBJECT} {organization}"),
        sender: address.to_owned(),
        text: Some(text),
        html: None,
        attachments: Vec::new(),
        in_reply_to: None,
        references: Vec::new(),
    };
    let itself = Party { role: PartyRole::To, address: address.to_owned(), display_name: String::new() };
    let parties = [OutboxParty { position: 0, party: itself, result: None }];
    let composed = compose(id, &parties, draft, &ComposeRules { now, maximum_size: MAXIMUM_SIZE })?;
    Ok(ComposedBytes { bytes: [AUTOMATIC, &composed.bytes].concat(), ..composed })
}
