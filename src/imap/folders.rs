//! Folders other than the Inbox: where sent mail is kept, and where deleted mail goes.
//!
//! imap-proto 0.17 refuses LIST responses with extended data or unknown attributes, and takes
//! `\AllMail` for `\All`; so they are read here, and written anew in the form that it knows.

use super::event::Listed;

/// Names of the folder of sent mail on servers that do not mark it, the usual ones first. Those that
/// are not ASCII are in modified UTF-7 (RFC 3501 §5.1.3), as they go over the wire.
const SENT: &[&str] = &[
    "sent",
    "sent items",
    "sent messages",
    "sent mail",
    "sent-mail",
    "gesendet",
    "gesendete elemente",
    "gesendete objekte",
    "wys&aui-ane",
    "elementy wys&aui-ane",
    "envoy&aok-s",
    "&amk-l&aok-ments envoy&aok-s",
    "enviados",
    "elementos enviados",
    "posta inviata",
    "verzonden items",
];
const TRASH: &[&str] = &[
    "trash",
    "deleted items",
    "deleted messages",
    "deleted",
    "bin",
    "papierkorb",
    "gel&apy-schte elemente",
    "gel&apy-schte objekte",
    "kosz",
    "elementy usuni&ark-te",
    "corbeille",
    "&amk-l&aok-ments supprim&aok-s",
    "papelera",
    "elementos eliminados",
    "cestino",
    "verwijderde items",
];

/// The name of a folder as it goes over the wire: printable ASCII, with modified UTF-7 for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderName(String);

impl FolderName {
    /// `None` where a quoted string cannot carry it.
    pub fn new(name: &str) -> Option<Self> {
        (!name.is_empty() && is_quotable(name)).then(|| Self(name.to_owned()))
    }

    /// As in a command.
    pub(super) fn quoted(&self) -> String {
        quoted(&self.0)
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The folders with a special use (RFC 6154), each where there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folders {
    /// Where sent mail is kept.
    pub sent: Option<FolderName>,
    /// Where deleted mail goes.
    pub trash: Option<FolderName>,
}

impl Folders {
    /// Finds them: by their marks, else by names that are usual for them.
    pub(super) fn among(listed: &[Listed]) -> Self {
        let find = |marked: fn(&Listed) -> bool, names: &[&str]| {
            let open = || listed.iter().filter(|folder| folder.selectable);
            let named = || names.iter().find_map(|name| open().find(|folder| is_called(folder, name)));
            let found = open().find(|folder| marked(folder)).or_else(named);
            found.and_then(|folder| FolderName::new(&folder.name))
        };
        Self { sent: find(|folder| folder.sent, SENT), trash: find(|folder| folder.trash, TRASH) }
    }
}

/// Whether a folder that stands at the top, or right below the Inbox, has this name (in lower case).
fn is_called(folder: &Listed, name: &str) -> bool {
    let whole = folder.name.to_ascii_lowercase();
    let below = folder.delimiter.and_then(|delimiter| whole.strip_prefix("inbox")?.strip_prefix(delimiter));
    below.unwrap_or(&whole) == name
}

/// Whether a quoted string can carry `text`.
pub(super) fn is_quotable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// `text` as a quoted string.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A LIST response in the form that the parser knows, with the attributes that matter to us; `None`
/// for one that cannot be read, or whose name we could not write.
pub(super) fn rewritten(line: &[u8]) -> Option<Vec<u8>> {
    let rest = line.get(b"* LIST ".len()..)?.trim_ascii_start().strip_prefix(b"(")?;
    let end = rest.iter().position(|byte| *byte == b')')?;
    let (attributes, rest) = rest.split_at(end);
    let attributes = String::from_utf8_lossy(attributes).to_ascii_lowercase();
    let mut kept = Vec::new();
    for attribute in attributes.split_ascii_whitespace() {
        match attribute {
            "\\sent" => kept.push("\\Sent"),
            "\\trash" => kept.push("\\Trash"),
            "\\noselect" | "\\nonexistent" => kept.push("\\Noselect"),
            _ => {}
        }
    }
    let (delimiter, rest) = string(rest.strip_prefix(b")")?)?;
    let (name, _) = string(rest)?;
    let delimiter = match delimiter.as_str() {
        "NIL" | "nil" | "" => "NIL".to_owned(),
        delimiter => quoted(delimiter),
    };
    Some(format!("* LIST ({}) {delimiter} {}\r\n", kept.join(" "), quoted(&name)).into_bytes())
}

/// An atom, a quoted string or a literal, of characters that we could write, and what follows it.
fn string(text: &[u8]) -> Option<(String, &[u8])> {
    let text = text.trim_ascii_start();
    let (content, rest) = match text.first()? {
        b'"' => {
            let mut content = Vec::new();
            let mut bytes = text.iter().enumerate().skip(1);
            let end = loop {
                match bytes.next()? {
                    (at, b'"') => break at + 1,
                    (_, b'\\') => content.push(*bytes.next()?.1),
                    (_, byte) => content.push(*byte),
                }
            };
            (content, text.get(end..)?)
        }
        b'{' => {
            let end = text.iter().position(|byte| *byte == b'\n')?;
            let digits = std::str::from_utf8(text.get(1..end)?).ok()?.trim_end().strip_suffix('}')?;
            let content = text.get(end + 1..)?.get(..digits.parse().ok()?)?;
            (content.to_vec(), text.get(end + 1 + content.len()..)?)
        }
        _ => {
            let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
            let (content, rest) = text.split_at(end);
            (content.to_vec(), rest)
        }
    };
    let content = String::from_utf8(content).ok()?;
    is_quotable(&content).then_some((content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(line: &str) -> Option<String> {
        rewritten(line.as_bytes()).map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn list_responses_of_all_kinds_are_read() {
        for (line, expected) in [
            ("* LIST (\\HasNoChildren \\Sent) \"/\" Sent\r\n", "* LIST (\\Sent) \"/\" \"Sent\"\r\n"),
            ("* list () NIL \"a \\\"b\\\\\"\r\n", "* LIST () NIL \"a \\\"b\\\\\"\r\n"),
            (
                "* LIST (\\NonExistent \\TRASH) \"\\\\\" {5}\r\nTrash\r\n",
                "* LIST (\\Noselect \\Trash) \"\\\\\" \"Trash\"\r\n",
            ),
            ("* LIST (\\AllMail) \".\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n", "* LIST () \".\" \"x\"\r\n"),
        ] {
            assert_eq!(again(line).as_deref(), Some(expected));
        }
        for line in [
            "* LIST\r\n",
            "* LIST \"/\" Sent\r\n",
            "* LIST (\\Sent\r\n",
            "* LIST () \"/\" \"Wysłane\"\r\n",
            "* LIST () \"/\" \"Sent\r\n",
            "* LIST () \"/\" {9}\r\nSent\r\n",
            "* LIST () \"/\"\r\n",
        ] {
            assert_eq!(again(line), None, "{line}");
        }
    }

    fn folder(name: &str, mark: char) -> Listed {
        Listed {
            name: name.to_owned(),
            delimiter: Some('/'),
            selectable: mark != 'n',
            sent: mark == 's',
            trash: mark == 't',
        }
    }

    #[test]
    fn marks_count_more_than_names_and_usual_names_more_than_others() {
        let sent = |listed: &[Listed]| Folders::among(listed).sent.map(|name| name.as_str().to_owned());
        assert_eq!(sent(&[folder("Sent", ' '), folder("Elsewhere", 's')]).as_deref(), Some("Elsewhere"));
        assert_eq!(
            sent(&[folder("Gesendet", ' '), folder("INBOX/SENT ITEMS", ' ')]).as_deref(),
            Some("INBOX/SENT ITEMS")
        );
        assert_eq!(sent(&[folder("Wys&AUI-ane", ' ')]).as_deref(), Some("Wys&AUI-ane"));
        for none in [folder("Sent", 'n'), folder("Archive/Sent", ' '), folder("Trash", 't'), folder("INBOXSent", ' ')] {
            assert_eq!(sent(&[none]), None);
        }
        let trash = Folders::among(&[folder("Kosz", ' '), folder("Sent", 's')]).trash;
        assert_eq!(trash, FolderName::new("Kosz"));
    }
}
