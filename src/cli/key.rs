//! `key …`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use serde::Serialize;

use super::{
    Context, Fault,
    args::Form,
    output::{show, write},
};
use crate::{
    admin::rotate::{Rotation, rotate},
    base::secret::Kek,
    model::failure::clean,
    store::{Role, Store},
};

/// `key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key. A file that exists is never overwritten.
    New {
        /// Where to write it, with mode 0400; - for standard output.
        file: PathBuf,
        /// How to print. The key itself, on standard output, is never JSON.
        #[command(flatten)]
        form: Form,
    },
    /// Seal every stored password anew under the key in use, while the daemon runs. May be stopped and
    /// run again. Says how many passwords are left under which key; exit status 1 where some are.
    Rotate {
        /// How to print.
        #[command(flatten)]
        form: Form,
    },
}

pub(super) async fn key(context: &Context, command: KeyCommand) -> Result<ExitCode, Fault> {
    match command {
        KeyCommand::New { file, form } => new(&file, form).map(|()| ExitCode::SUCCESS),
        KeyCommand::Rotate { form } => {
            let config = context.config()?;
            let store = Store::open(&config.database_url, Role::Tool).await?;
            let rotation = rotate(&store, &config, &context.clock, &context.actor()).await?;
            store.close().await;
            show(form, &rotation, || text(&rotation))?;
            Ok(if rotation.left() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn text(rotation: &Rotation) -> String {
    let mut text = format!("{} passwords were sealed anew under key {}\n", rotation.resealed, rotation.key_id);
    if rotation.resealed == 0 && rotation.left() == 0 {
        let all = rotation.passwords.iter().map(|under| under.passwords).sum::<u64>();
        text = match all {
            0 => "nothing to do: no password is stored\n".to_owned(),
            _ => format!("nothing to do: all {all} stored passwords are under key {} already\n", rotation.key_id),
        };
    }
    for under in &rotation.passwords {
        let old = if under.key_id == rotation.key_id { "" } else { ": still needed" };
        text.push_str(&format!("{} passwords are under key {}{old}\n", under.passwords, under.key_id));
    }
    for one in &rotation.unopened {
        text.push_str(&format!("{} was not opened (key {}): {}\n", clean(&one.of, 400), one.key_id, one.why));
    }
    text.push_str(match rotation.left() {
        0 => "next: take old_key_files and old_key_credentials out of the configuration, then: systemctl reload mailsyncd\n",
        _ if rotation.unopened.is_empty() => "next: run this again: some were set under another key meanwhile\n",
        _ => "next: name the missing key in secrets.old_key_files, or set those passwords again: mailsyncd secret set\n",
    });
    text
}

/// `key new` as JSON.
#[derive(Serialize)]
struct Made<'a> {
    key_id: &'a str,
    file: &'a Path,
}

fn new(file: &Path, form: Form) -> Result<(), Fault> {
    if file == Path::new("-") {
        let (_, text) = Kek::generate().map_err(Fault::failed)?;
        write(format!("{}\n", text.expose()).as_bytes())?;
        return Ok(());
    }
    let key = Kek::create(file).map_err(|error| {
        let hint = error.hint();
        Fault::failed(error).hint(hint)
    })?;
    let absolute = std::path::absolute(file)?;
    let path = clean(&absolute.display().to_string(), 4_096);
    let text = format!(
        "key {} is in {path}\nKeep a copy of it apart from the backups of the database: without it stored passwords are lost.\n\
         next: give it to the user that mailsyncd runs as, and set in the configuration\n  [secrets]\n  key_file = {path:?}\n",
        key.id()
    );
    Ok(show(form, &Made { key_id: key.id(), file: &absolute }, || text)?)
}
