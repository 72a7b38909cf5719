//! A response, reduced to what we read of it and freed from the parser's types.

use async_imap::imap_proto::{
    AttributeValue, Capability, MailboxDatum, MailboxListData, MessageSection, NameAttribute, Outcome, Response,
    ResponseCode, SectionPath, Status, StatusAttribute,
};

use super::{date::internal_date, error::Reply};
use crate::model::timestamp::Timestamp;

/// One response.
#[derive(Debug)]
pub enum Event {
    /// The end of the command with this tag.
    Done(String, Condition),
    /// An untagged status.
    Status(Condition),
    /// A continuation request.
    Continue,
    /// The answer to CAPABILITY.
    Capabilities(Capabilities),
    /// How many messages there are now.
    Exists(u32),
    /// The answer to STATUS.
    Folder(FolderNumbers),
    /// About one message.
    Fetch(Fetched),
    /// A folder, in the answer to LIST.
    Listed(Listed),
    /// The answer to SEARCH.
    Found(Vec<u32>),
    /// Anything else.
    Other,
}

/// OK, NO, BAD, BYE or PREAUTH with what follows.
#[derive(Debug)]
pub struct Condition {
    /// Which of them.
    pub status: Status,
    /// What was said.
    pub reply: Reply,
    /// The response code, where it carries something we read.
    pub note: Note,
}

impl Condition {
    /// What the server wants the user to know, although it did as it was asked (RFC 9051 §7.1: ALERT).
    pub fn notice(&self) -> Option<&str> {
        let is_meant = matches!(self.reply.code.as_deref(), Some("ALERT" | "CONTACTADMIN"));
        (self.status == Status::Ok && is_meant && !self.reply.text.is_empty()).then_some(&self.reply.text)
    }
}

/// Response codes that carry data.
#[derive(Clone, Copy, Debug, Default)]
pub enum Note {
    /// None of them.
    #[default]
    Nothing,
    /// CAPABILITY.
    Capabilities(Capabilities),
    /// UIDNEXT.
    UidNext(u32),
    /// UIDVALIDITY.
    UidValidity(u32),
}

/// The capabilities that make a difference to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// AUTH=PLAIN.
    pub plain: bool,
    /// SASL-IR: the first response may go with the command.
    pub sasl_ir: bool,
    /// LOGINDISABLED.
    pub login_disabled: bool,
    /// STARTTLS.
    pub starttls: bool,
    /// IDLE.
    pub idle: bool,
    /// LIST-EXTENDED and SPECIAL-USE: LIST can be asked for marks of special folders.
    pub special_use: bool,
    /// LITERAL+: literals need no permission.
    pub literal_plus: bool,
    /// UIDPLUS: UID EXPUNGE.
    pub uidplus: bool,
    /// MOVE.
    pub moves: bool,
}

/// A folder as LIST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As it goes over the wire.
    pub name: String,
    /// What stands between the levels of names.
    pub delimiter: Option<char>,
    /// Whether it can be opened.
    pub selectable: bool,
    /// Marked as the folder of sent mail.
    pub sent: bool,
    /// Marked as the folder of deleted mail.
    pub trash: bool,
}

impl Capabilities {
    fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        let (mut extended, mut special) = (false, false);
        for name in names {
            match name.to_ascii_uppercase().as_str() {
                "AUTH=PLAIN" => found.plain = true,
                "SASL-IR" => found.sasl_ir = true,
                "LOGINDISABLED" => found.login_disabled = true,
                "STARTTLS" => found.starttls = true,
                "IDLE" => found.idle = true,
                "LIST-EXTENDED" => extended = true,
                "SPECIAL-USE" => special = true,
                "LITERAL+" => found.literal_plus = true,
                "UIDPLUS" => found.uidplus = true,
                "MOVE" => found.moves = true,
                _ => {}
            }
        }
        found.special_use = extended && special;
        found
    }

    fn from_parsed(list: &[Capability<'_>]) -> Self {
        let mut found = Self::from_names(list.iter().filter_map(|capability| match capability {
            Capability::Atom(name) => Some(name.as_ref()),
            _ => None,
        }));
        found.plain = list
            .iter()
            .any(|capability| matches!(capability, Capability::Auth(name) if name.eq_ignore_ascii_case("PLAIN")));
        found
    }
}

/// The numbers of a folder, each where it was given.
#[derive(Clone, Copy, Debug, Default)]
pub struct FolderNumbers {
    /// How many messages.
    pub exists: Option<u32>,
    /// UIDNEXT.
    pub uid_next: Option<u32>,
    /// UIDVALIDITY.
    pub uid_validity: Option<u32>,
}

/// What a FETCH response says, as far as we asked; of each attribute the first.
#[derive(Debug, Default)]
pub struct Fetched {
    /// UID.
    pub uid: Option<u32>,
    /// RFC822.SIZE.
    pub size: Option<u32>,
    /// INTERNALDATE: whether it was given, and what could be read of it.
    pub internal_date: Option<Option<Timestamp>>,
    /// BODY[], or a piece of it from an offset on.
    pub body: Option<(Option<u32>, Vec<u8>)>,
    /// BODY[HEADER…]; the inner `None` is NIL.
    pub header: Option<Option<Vec<u8>>>,
}

impl Event {
    /// Reads a parsed response; `lifted` gives the literal that a mark stands for.
    pub fn of(response: &Response<'_>, mut lifted: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Self {
        match response {
            Response::Done { tag, status, outcome } => Self::Done(tag.0.clone(), condition(status, outcome)),
            Response::Data { status, outcome } => Self::Status(condition(status, outcome)),
            Response::Continue(_) => Self::Continue,
            Response::Capabilities(list) => Self::Capabilities(Capabilities::from_parsed(list)),
            Response::MailboxData(MailboxDatum::Exists(count)) => Self::Exists(*count),
            Response::MailboxData(MailboxDatum::Status { status, .. }) => Self::Folder(folder_numbers(status)),
            Response::MailboxData(MailboxDatum::List(folder)) => Self::Listed(listed(folder)),
            Response::MailboxData(MailboxDatum::Search(numbers)) => Self::Found(numbers.clone()),
            Response::Fetch(_, attributes) => Self::Fetch(fetched(attributes, &mut lifted)),
            _ => Self::Other,
        }
    }
}

fn condition(status: &Status, outcome: &Outcome<'_>) -> Condition {
    let text = outcome.information.as_deref().unwrap_or_default();
    let status = match status {
        Status::Ok => Status::Ok,
        Status::No => Status::No,
        Status::Bad => Status::Bad,
        Status::PreAuth => Status::PreAuth,
        Status::Bye => Status::Bye,
    };
    let Some(code) = &outcome.code else {
        // A code unknown to imap-proto, or one with unexpected arguments, is left in the text.
        let reply = Reply::parse(text);
        let note = match reply.code.as_deref() {
            Some("CAPABILITY") => Note::Capabilities(Capabilities::from_names(reply.arguments.split(' '))),
            _ => Note::Nothing,
        };
        return Condition { status, reply, note };
    };
    let (name, note) = match code {
        ResponseCode::Alert => ("ALERT", Note::Nothing),
        ResponseCode::BadCharset(_) => ("BADCHARSET", Note::Nothing),
        ResponseCode::Capabilities(list) => ("CAPABILITY", Note::Capabilities(Capabilities::from_parsed(list))),
        ResponseCode::Parse => ("PARSE", Note::Nothing),
        ResponseCode::ReadOnly => ("READ-ONLY", Note::Nothing),
        ResponseCode::ReadWrite => ("READ-WRITE", Note::Nothing),
        ResponseCode::TryCreate => ("TRYCREATE", Note::Nothing),
        ResponseCode::UidNext(number) => ("UIDNEXT", Note::UidNext(*number)),
        ResponseCode::UidValidity(number) => ("UIDVALIDITY", Note::UidValidity(*number)),
        ResponseCode::UidNotSticky => ("UIDNOTSTICKY", Note::Nothing),
        _ => ("", Note::Nothing),
    };
    let code = (!name.is_empty()).then(|| name.to_owned());
    Condition { status, reply: Reply { code, arguments: String::new(), text: text.trim().to_owned() }, note }
}

fn listed(folder: &MailboxListData<'_>) -> Listed {
    let plain = |text: &str| String::from_utf8_lossy(&unquoted(text.as_bytes())).into_owned();
    let has = |attribute: &NameAttribute<'_>| folder.name_attributes.contains(attribute);
    Listed {
        name: plain(&folder.name),
        delimiter: folder.delimiter.as_deref().and_then(|delimiter| plain(delimiter).chars().next()),
        selectable: !has(&NameAttribute::NoSelect),
        sent: has(&NameAttribute::Sent),
        trash: has(&NameAttribute::Trash),
    }
}

fn folder_numbers(attributes: &[StatusAttribute]) -> FolderNumbers {
    let mut numbers = FolderNumbers::default();
    for attribute in attributes {
        match attribute {
            StatusAttribute::Messages(count) => numbers.exists = Some(*count),
            StatusAttribute::UidNext(number) => numbers.uid_next = Some(*number),
            StatusAttribute::UidValidity(number) => numbers.uid_validity = Some(*number),
            _ => {}
        }
    }
    numbers
}

fn fetched(attributes: &[AttributeValue<'_>], lifted: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>) -> Fetched {
    let mut content = |data: &[u8]| if data.first() == Some(&0) { lifted(data) } else { Some(unquoted(data)) };
    let mut found = Fetched::default();
    for attribute in attributes {
        match attribute {
            AttributeValue::Uid(uid) => found.uid = found.uid.or(Some(*uid)),
            AttributeValue::Rfc822Size(size) => found.size = found.size.or(Some(*size)),
            AttributeValue::InternalDate(text) => {
                found.internal_date = found.internal_date.or_else(|| Some(internal_date(text)));
            }
            AttributeValue::BodySection { section: None, index, data: Some(data) } if found.body.is_none() => {
                found.body = content(data).map(|bytes| (*index, bytes));
            }
            // Some servers answer so where the piece asked for begins at the end of the message.
            AttributeValue::BodySection { section: None, index: index @ Some(1..), data: None }
                if found.body.is_none() =>
            {
                found.body = Some((*index, Vec::new()));
            }
            AttributeValue::BodySection { section: Some(SectionPath::Full(MessageSection::Header)), data, .. }
                if found.header.is_none() =>
            {
                found.header = Some(data.as_deref().and_then(&mut content));
            }
            _ => {}
        }
    }
    found
}

/// The content of a quoted string, which imap-proto gives with its backslashes.
fn unquoted(data: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(data.len());
    let mut bytes = data.iter();
    while let Some(byte) = bytes.next() {
        let next = if *byte == b'\\' { bytes.next() } else { Some(byte) };
        plain.extend(next);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event {
        let (rest, response) = Response::parse(line.as_bytes()).unwrap();
        assert!(rest.is_empty());
        Event::of(&response, |mark| (mark == [0, 0]).then(|| b"lifted".to_vec()))
    }

    #[test]
    fn codes_are_kept_whether_the_parser_knows_them_or_not() {
        for (line, code, arguments) in [
            ("A1 NO [ALERT] x\r\n", Some("ALERT"), ""),
            ("A1 NO [UNAVAILABLE] x\r\n", Some("UNAVAILABLE"), ""),
            ("A1 NO [webalert http://y] x\r\n", Some("WEBALERT"), "http://y"),
            ("A1 NO x\r\n", None, ""),
        ] {
            let Event::Done(_, condition) = event(line) else { panic!("{line}") };
            assert_eq!(condition.reply.code.as_deref(), code);
            assert_eq!((condition.reply.arguments.as_str(), condition.reply.text.as_str()), (arguments, "x"));
        }
    }

    #[test]
    fn a_notice_is_what_a_server_says_beside_doing_as_it_was_asked() {
        for (line, notice) in [
            ("A1 OK [ALERT] down on Sunday\r\n", Some("down on Sunday")),
            ("* OK [ALERT] down on Sunday\r\n", Some("down on Sunday")),
            ("* OK [CONTACTADMIN] call us\r\n", Some("call us")),
            ("A1 NO [ALERT] no\r\n", None),
            ("* BYE [ALERT] no\r\n", None),
            ("* OK [UIDNEXT 4] next\r\n", None),
            ("* OK still here\r\n", None),
        ] {
            let (Event::Done(_, condition) | Event::Status(condition)) = event(line) else { panic!("{line}") };
            assert_eq!(condition.notice(), notice, "{line}");
        }
    }

    #[test]
    fn bodies_come_from_literals_and_from_quotes() {
        for (line, expected) in [
            ("* 1 FETCH (BODY[] {2}\r\n\0\0 UID 4)\r\n", Some((None, b"lifted".to_vec()))),
            ("* 1 FETCH (BODY[]<7> \"a\\\"b\\\\\" UID 4)\r\n", Some((Some(7), b"a\"b\\".to_vec()))),
            ("* 1 FETCH (UID 4 BODY[] NIL)\r\n", None),
        ] {
            let Event::Fetch(fetched) = event(line) else { panic!("{line}") };
            assert_eq!((fetched.uid, fetched.body), (Some(4), expected));
        }
    }

    #[test]
    fn capabilities_are_read_in_any_case() {
        let Event::Capabilities(found) = event(
            "* CAPABILITY IMAP4rev1 auth=plain Sasl-IR LoginDisabled StartTLS IDLE List-Extended special-use literal+ UidPlus MOVE\r\n",
        ) else {
            panic!()
        };
        assert_eq!(
            found,
            Capabilities {
                plain: true,
                sasl_ir: true,
                login_disabled: true,
                starttls: true,
                idle: true,
                special_use: true,
                literal_plus: true,
                uidplus: true,
                moves: true,
            }
        );
    }
}
