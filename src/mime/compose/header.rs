//! Writes header fields: encodes what is not ASCII, and folds.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::check::{self, ComposeError, Field};
use crate::model::message::Party;

/// Lines are folded here where a space allows it (RFC 5322 §2.1.1).
const FOLD: usize = 78;
/// Bytes in one encoded word, so that it has at most 75 (RFC 2047 §2).
const WORD_BYTES: usize = 45;
/// Longest display name, in bytes of UTF-8.
const NAME_BYTES: usize = 500;

#[derive(Default)]
pub(super) struct HeaderWriter {
    out: String,
}

impl HeaderWriter {
    /// `tokens` are written as they are, one space or fold between them.
    pub(super) fn field(&mut self, name: &str, tokens: impl IntoIterator<Item = String>) {
        self.out.push_str(name);
        self.out.push(':');
        let mut length = name.len() + 1;
        for (index, token) in tokens.into_iter().enumerate() {
            // The first token stays beside the name: some servers take an empty first line for the value.
            if index > 0 && length + 1 + token.len() > FOLD {
                self.out.push_str("\r\n");
                length = 0;
            }
            self.out.push(' ');
            self.out.push_str(&token);
            length += 1 + token.len();
        }
        self.out.push_str("\r\n");
    }

    /// A field of free text, checked before.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        let plain = |word: &str| !word.is_empty() && word.len() < FOLD && word.bytes().all(|b| b.is_ascii_graphic());
        if text.split(' ').all(plain) && !text.contains("=?") {
            self.field(name, text.split(' ').map(str::to_owned));
        } else {
            self.field(name, encoded_words(text));
        }
    }

    /// A field of addresses; none is written where there are none.
    pub(super) fn addresses<'p>(
        &mut self,
        name: &str,
        parties: impl IntoIterator<Item = &'p Party>,
    ) -> Result<(), ComposeError> {
        let mut tokens: Vec<String> = Vec::new();
        for party in parties {
            if let Some(last) = tokens.last_mut() {
                last.push(',');
            }
            let address = check::address(&party.address, Field::Address(party.role))?;
            let display_name = check::text(&party.display_name, Field::Name(party.role), NAME_BYTES)?;
            if display_name.is_empty() {
                tokens.push(address.to_owned());
            } else {
                tokens.extend(phrase(&display_name));
                tokens.push(format!("<{address}>"));
            }
        }
        if !tokens.is_empty() {
            self.field(name, tokens);
        }
        Ok(())
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }
}

/// A display name: atoms, a quoted string, or encoded words.
fn phrase(name: &str) -> Vec<String> {
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/^_`{|}~".contains(&b);
    let is_atom = |word: &str| !word.is_empty() && word.bytes().all(atom);
    if name.len() < FOLD && name.split(' ').all(is_atom) {
        name.split(' ').map(str::to_owned).collect()
    } else if name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && !name.contains("=?") {
        // Never folded: many readers take the fold inside for a space, or two.
        vec![format!("\"{}\"", name.replace('\\', r"\\").replace('"', r#"\""#))]
    } else {
        encoded_words(name)
    }
}

/// RFC 2047, cut between characters.
fn encoded_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_BYTES));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words
}
