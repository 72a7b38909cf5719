//! `activity send`, `hold`, `retry` and `cancel`.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::{
    Context, Fault,
    args::Form,
    output::{remark, show, size},
};
use crate::{
    admin::{
        error::AdminError,
        send::{Letter, Move, QueuedMail, SendOptions, Words, move_mail, queue},
    },
    mime::compose::ComposeError,
    model::{
        activity::ActivityStatus,
        ids::ActivityId,
        message::{Party, PartyRole},
        outbox::OutboxAttachment,
        timestamp::Timestamp,
    },
    store::{Role, Store},
};

/// What a finished mail says itself.
const WORDS: [&str; 10] = ["to", "cc", "bcc", "reply_to", "subject", "body", "body_file", "html", "attach", "send_as"];

/// What is sent, by whom, to whom.
#[derive(Debug, Args)]
#[allow(rustdoc::invalid_html_tags, reason = "this is the text of --help")]
pub struct SendArguments {
    /// A finished RFC 5322 mail, sent as it is; - for standard input. Bcc moves into the envelope, and
    /// Date and Message-ID are added where they are missing.
    #[arg(conflicts_with_all = WORDS)]
    message: Option<PathBuf>,
    /// The mailbox that sends it, as ADDRESS or "NAME <ADDRESS>". Of a finished mail the one in its
    /// From, of an answer the one that got the mail answered, unless given.
    #[arg(long, value_name = "MAILBOX")]
    from: Option<String>,
    /// A recipient, as ADDRESS or "NAME <ADDRESS>"; may be given again, as --cc, --bcc and --reply-to.
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// A recipient of a copy.
    #[arg(long, value_name = "ADDRESS")]
    cc: Vec<String>,
    /// A recipient whom the others do not see.
    #[arg(long, value_name = "ADDRESS")]
    bcc: Vec<String>,
    /// Where answers go.
    #[arg(long, value_name = "ADDRESS")]
    reply_to: Vec<String>,
    /// The subject.
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// The text.
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// The text, from a file; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    body_file: Option<PathBuf>,
    /// The HTML, from a file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// A file to go with it; may be given again.
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// The recorded mail that this one answers. It goes to whoever sent that, unless --to, --cc or --bcc
    /// is given.
    #[arg(long, value_name = "ID")]
    reply_to_activity: Option<uuid::Uuid>,
    /// Send it as this address, which may_send_as of the mailbox must name.
    #[arg(long, value_name = "ADDRESS")]
    send_as: Option<String>,
    /// Do not send it before this time, as 2026-01-01T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    send_after: Option<Timestamp>,
    /// Given again with the same key, nothing is queued, and the first mail's identifier is printed.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// Queues a mail.
pub(super) async fn send(context: &Context, arguments: SendArguments) -> Result<(), Fault> {
    let config = context.config()?;
    let form = arguments.form;
    let (from_name, mailbox) = arguments.from.as_deref().map(named).unzip();
    let options = SendOptions {
        mailbox,
        send_as: arguments.send_as.clone(),
        answers: arguments.reply_to_activity.map(ActivityId),
        send_after: arguments.send_after,
        idempotency_key: arguments.idempotency_key.clone(),
    };
    let letter = match &arguments.message {
        Some(file) => Letter::Finished(contents(file, config.sending.maximum_message_size)?),
        None => {
            let most = config.sending.maximum_message_size;
            Letter::Words(words(arguments, from_name.unwrap_or_default(), most)?)
        }
    };
    let finished = matches!(letter, Letter::Finished(_));
    let store = Store::open(&config.database_url, Role::Tool).await?;
    let queued = queue(&store, &config.sending, letter, options, context.clock.now()).await;
    let queued = queued.map_err(|error| match error {
        AdminError::Compose(ComposeError::NoRecipient) if finished => {
            let hint = "a finished mail names its recipients itself: write To, Cc or Bcc into it";
            Fault::failed(error).hint(Some(hint))
        }
        error => Fault::not_done(error, "this mail was not queued"),
    })?;
    store.close().await;
    if !form.json {
        remark(&notes(&queued));
    }
    Ok(show(form, &queued, || queued.id.to_string())?)
}

/// What goes beside the identifier, which stands alone so that a script can take it.
fn notes(queued: &QueuedMail) -> String {
    let mut notes = String::new();
    if queued.already_queued {
        notes.push_str("note: a mail with this idempotency key was queued before: this is its identifier\n");
    }
    if let Some(waits) = &queued.waits {
        notes.push_str(&format!("note: it waits: sending of mailbox {} is {waits}\n", queued.mailbox));
    }
    notes
}

fn words(arguments: SendArguments, from_name: String, most: u64) -> Result<Words, Fault> {
    let roles = [
        (PartyRole::To, &arguments.to),
        (PartyRole::Cc, &arguments.cc),
        (PartyRole::Bcc, &arguments.bcc),
        (PartyRole::ReplyTo, &arguments.reply_to),
    ];
    let party = |role, written: &String| {
        let (display_name, address) = named(written);
        Party { role, address, display_name }
    };
    let parties = roles.into_iter().flat_map(|(role, all)| all.iter().map(move |written| party(role, written)));
    let parties = parties.collect();
    let body = match (arguments.body, &arguments.body_file) {
        (None, Some(file)) => Some(text(file, most)?),
        (body, _) => body,
    };
    let html = arguments.html.as_deref().map(|file| text(file, most)).transpose()?;
    let attachments = arguments.attach.iter().map(|file| attachment(file, most)).collect::<Result<_, _>>()?;
    Ok(Words { from_name, parties, subject: arguments.subject, text: body, html, attachments })
}

/// `NAME <ADDRESS>` or `ADDRESS`, taken apart; what is wrong with either is told later.
fn named(written: &str) -> (String, String) {
    let written = written.trim();
    let split = written.strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    match split {
        Some((name, address)) => (name.trim().trim_matches('"').to_owned(), address.trim().to_owned()),
        None => (String::new(), written.to_owned()),
    }
}

/// A file, or standard input. One byte more than the limit is enough to see that it is too much.
fn contents(file: &Path, most: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let limit = most.saturating_add(1);
    let read = if file == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes)
    } else {
        fs::File::open(file).and_then(|open| open.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|error| Fault::usage(format!("could not read {}: {error}", file.display())))?;
    if bytes.len() as u64 > most {
        let text = format!("{} is larger than a mail may be: {}", file.display(), size(most));
        return Err(Fault::failed(text).hint(Some("send less, or raise sending.maximum_message_size")));
    }
    Ok(bytes)
}

fn text(file: &Path, most: u64) -> Result<String, Fault> {
    String::from_utf8(contents(file, most)?).map_err(|_| {
        Fault::usage(format!("{} is not UTF-8 text", file.display())).hint(Some("--attach takes any file"))
    })
}

fn attachment(file: &Path, most: u64) -> Result<OutboxAttachment, Fault> {
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let content_type = content_type(&file_name).to_owned();
    Ok(OutboxAttachment { content: contents(file, most)?, content_id: None, content_type, file_name })
}

/// By its extension, for the few that receivers show at once.
fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "pdf" => "application/pdf",
        "txt" | "log" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" | "htm" => "text/html; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "json" => "application/json",
        "xml" => "application/xml",
        "zip" => "application/zip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "eml" => "message/rfc822",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        _ => "application/octet-stream",
    }
}

/// Which mail.
#[derive(Debug, Args)]
pub struct MailArguments {
    /// Its identifier.
    id: uuid::Uuid,
    /// How to print.
    #[command(flatten)]
    form: Form,
}

/// Where a mail stands after a person moved it.
#[derive(Serialize)]
struct Moved {
    id: ActivityId,
    status: ActivityStatus,
}

/// What a person does with a mail that is queued.
pub(super) async fn change(context: &Context, mail: MailArguments, to: Move) -> Result<(), Fault> {
    let store = context.store().await?;
    let id = ActivityId(mail.id);
    let status = move_mail(&store, id, to, &context.actor(), context.clock.now()).await?;
    store.close().await;
    Ok(show(mail.form, &Moved { id, status }, || format!("activity {id} is {status}"))?)
}
