//! Puts copies of what was sent into the Sent folder, where the server does not do it.
//!
//! A copy that is there, whoever put it there, is not put there again. What fails is tried again with
//! the mailbox's next cycles, and is an alert: the mail itself was sent, and is never sent again for it.

use std::time::Duration;

use crate::{
    means::{Context, stored},
    mime,
    model::{
        activity::Fence,
        alert::{AlertSubject, NewAlert, Severity},
        failure::{Failure, FailureCode, Persistence, Scope},
    },
    store::StoreError,
};

use super::{
    policy::SendPolicy,
    sink::{Mark, SentFolder, Sinks},
};

/// Mails queued longer ago are let be: they were sent before copies were wanted, or every try failed.
const RECENT: Duration = Duration::from_secs(3 * 86_400);
/// Copies made over one connection.
const MOST: u32 = 200;

/// Files what is not filed yet.
///
/// # Errors
/// The database failed. Trouble with the folder is only told.
///
/// # Cancel safety
/// May be dropped at any await: a copy that was put there is found by the next cycle.
pub async fn file_copies<K: Sinks>(
    context: &Context,
    fence: Fence,
    policy: &SendPolicy,
    sinks: &K,
) -> Result<(), Failure> {
    let store = &context.store;
    loop {
        let now = context.clock.now();
        let unfiled = stored::patiently(|| store.unfiled_mails(fence.mailbox, now.minus(RECENT), MOST)).await;
        let unfiled = unfiled.map_err(|error| stored::failure(&error))?;
        if unfiled.is_empty() || context.stop.is_cancelled() {
            return Ok(());
        }
        let marks = unfiled.into_iter().map(|(activity, message_id)| Mark { activity, message_id });
        let filed = file_all(context, fence, policy, sinks, marks.collect()).await?;
        let subject = AlertSubject::Mailbox(fence.mailbox);
        let goes_on = filed.is_ok();
        let told = match filed {
            Ok(()) => store.close_alert(subject, FailureCode::SentCopyFailed, now).await,
            Err(failure) => {
                let (severity, code) = (Severity::Warning, FailureCode::SentCopyFailed);
                store.raise_alert(&NewAlert { subject, severity, code, text: failure.text, workload: None }, now).await
            }
        };
        told.map_err(|error| stored::failure(&error))?;
        if !goes_on {
            return Ok(());
        }
    }
}

/// The inner result is what the folder says.
async fn file_all<K: Sinks>(
    context: &Context,
    fence: Fence,
    policy: &SendPolicy,
    sinks: &K,
    marks: Vec<Mark>,
) -> Result<Result<(), Failure>, Failure> {
    let Some(reading) = &policy.reading else { return Ok(Err(own("the mailbox has no Sent folder"))) };
    let mut folder = match sinks.sent_folder(reading).await {
        Ok(Some(folder)) => folder,
        Ok(None) => return Ok(Err(own("the server has no Sent folder"))),
        Err(failure) => return Ok(Err(failure)),
    };
    for mark in marks {
        if context.stop.is_cancelled() {
            break;
        }
        if let Err(failure) = file(context, &mut folder, &mark).await? {
            return Ok(Err(failure));
        }
        let (store, now) = (&context.store, context.clock.now());
        stored::patiently(|| store.copy_filed(fence, mark.activity, now))
            .await
            .map_err(|error| stored::failure(&error))?;
    }
    folder.close();
    Ok(Ok(()))
}

async fn file<F: SentFolder>(context: &Context, folder: &mut F, mark: &Mark) -> Result<Result<(), Failure>, Failure> {
    match folder.find(mark).await {
        Ok(None) => {}
        Ok(Some(_)) => return Ok(Ok(())),
        Err(failure) => return Ok(Err(failure)),
    }
    let source: Result<_, StoreError> = stored::patiently(|| context.store.source(mark.activity)).await;
    let Some(source) = source.map_err(|error| stored::failure(&error))? else { return Ok(Ok(())) };
    match mime::expand(&source) {
        Ok(mail) => Ok(folder.put(mark, &mail).await),
        Err(damaged) => Ok(Err(own(&damaged.to_string()))),
    }
}

fn own(text: &str) -> Failure {
    Failure::new(FailureCode::SentCopyFailed, Scope::Message, Persistence::Transient, text)
}
