//! What the configuration file of a test says.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::dovecot::Dovecot;

/// One `[[profile]]`: where a mail server is.
#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub security: &'static str,
    /// What it speaks.
    pub server_type: &'static str,
    /// Port of a server on this machine that takes mail without TLS and without a log-in.
    pub outgoing: Option<u16>,
    /// Further lines of the section.
    pub more: String,
}

impl Profile {
    /// The server over implicit TLS.
    pub fn of(server: &Dovecot) -> Self {
        Self::at(server.imaps, "tls")
    }

    /// Something that listens at `port` of this machine.
    pub fn at(port: u16, security: &'static str) -> Self {
        let (name, host, more) = ("sample".into(), "localhost".into(), String::new());
        Self { name, host, port, security, server_type: "imap_smtp", outgoing: None, more }
    }

    /// The server over POP3 and implicit TLS.
    pub fn pop3(server: &Dovecot) -> Self {
        Self::pop3_at(server.pop3s, "tls")
    }

    /// Something that speaks POP3 at `port` of this machine.
    pub fn pop3_at(port: u16, security: &'static str) -> Self {
        Self { name: "maildrops".into(), server_type: "pop3_smtp", ..Self::at(port, security) }
    }

    /// The same, sending through what listens at `port` of this machine.
    pub fn sending_through(self, port: u16) -> Self {
        Self { outgoing: Some(port), ..self }
    }

    /// The same under another name.
    pub fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// One `[[mailbox]]` with its queue and the password in a file.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub address: String,
    pub profile: String,
    /// For a password file; `None` where `secret set` gives it.
    pub password: Option<String>,
    /// Further lines of the section.
    pub more: String,
}

/// What goes into the configuration file; written anew before each command.
pub struct Configuration {
    pub database: String,
    pub authority: Option<PathBuf>,
    /// Keys for `[polling]`, `[network]` and so on: section to lines.
    pub sections: BTreeMap<&'static str, String>,
    pub profiles: Vec<Profile>,
    pub mailboxes: Vec<Mailbox>,
    /// Text at the end of the file.
    pub more: String,
}

impl Configuration {
    /// All of it, for a daemon in `dir`.
    pub fn text(&self, dir: &Path) -> String {
        let mut text = format!("[database]\nurl = \"{}\"\n", self.database);
        let mut sections = self.sections.clone();
        let network = sections.entry("network").or_default();
        let ports = self.profiles.iter().flat_map(|profile| [Some(profile.port), profile.outgoing]);
        let ports: Vec<u16> = ports.flatten().collect();
        writeln!(network, "allowed_ports = {ports:?}").unwrap();
        if let Some(authority) = &self.authority {
            writeln!(network, "extra_ca_files = [{authority:?}]").unwrap();
        }
        for (name, lines) in &sections {
            write!(text, "\n[{name}]\n{lines}").unwrap();
        }
        for profile in &self.profiles {
            let Profile { name, host, port, security, server_type, outgoing, more } = profile;
            write!(
                text,
                "\n[[profile]]\nname = \"{name}\"\nserver_type = \"{server_type}\"\nauthenticate_using = \"mailbox\"\n\
                 process_email_from = 2000-01-01T00:00:00Z\n\
                 incoming = {{ host = \"{host}\", port = {port}, security = \"{security}\" }}\n{more}\n"
            )
            .unwrap();
            if let Some(port) = outgoing {
                let server = format!("host = \"127.0.0.1\", port = {port}, security = \"none\", auth = \"none\"");
                writeln!(text, "outgoing = {{ {server} }}").unwrap();
            }
            for (key, default) in [("minimum_polling_interval", "1s"), ("connection_timeout", "10s")] {
                if !more.contains(key) {
                    writeln!(text, "{key} = \"{default}\"").unwrap();
                }
            }
        }
        for (index, mailbox) in self.mailboxes.iter().enumerate() {
            let Mailbox { address, profile, password, more } = mailbox;
            let password = password
                .as_ref()
                .map_or_else(String::new, |_| format!("password_file = {:?}\n", password_file(dir, address)));
            write!(
                text,
                "\n[[queue]]\nname = \"Queue {index}\"\nemail_address = \"{address}\"\n\
                 \n[[mailbox]]\nemail_address = \"{address}\"\nowner = \"queue:Queue {index}\"\n\
                 profile = \"{profile}\"\nusername = \"{address}\"\n{password}\
                 approved = true\nenabled = true\n{more}"
            )
            .unwrap();
        }
        text + &self.more
    }
}

/// Where the password of a mailbox lies.
pub fn password_file(dir: &Path, address: &str) -> PathBuf {
    dir.join(format!("{address}.password"))
}
