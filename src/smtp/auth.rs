//! AUTH: PLAIN (RFC 4616) and LOGIN, over RFC 4954.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    capability::Capabilities,
    error::{SmtpError, Stage},
    wire::{Timeouts, Wire, refused},
};
use crate::{
    model::profile::AuthMethod,
    net::{Io, credentials::Credentials},
};

/// Longest command line, with its end (RFC 5321 §4.5.3.1.4). The secret goes with the command only
/// where it fits (RFC 4954 §4).
const COMMAND_LINE: usize = 512;
/// Longest line of a SASL exchange, with its end (RFC 4954 §4).
const SASL_LINE: usize = 12_288;
/// What is shorter than this may stand in any text by chance.
const RECOGNISABLE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Plain,
    Login,
}

/// Logs in, with the method that the endpoint asks for or else the better one offered; or not at
/// all, where it asks for none.
pub(super) async fn log_in<T: Io>(
    wire: &mut Wire<T>,
    wanted: AuthMethod,
    offered: &Capabilities,
    secure: bool,
    credentials: Credentials<'_>,
    timeouts: &Timeouts,
) -> Result<(), SmtpError> {
    let lines = match choose(wanted, offered, secure)? {
        Some(Method::Plain) => plain_lines(credentials),
        Some(Method::Login) => login_lines(credentials),
        None => return Ok(()),
    };
    if lines.iter().any(|line| line.len() + 2 > SASL_LINE) {
        return Err(SmtpError::Credentials);
    }
    exchange(wire, &lines, timeouts).await.map_err(|error| without_secrets(error, &lines, credentials))
}

fn choose(wanted: AuthMethod, offered: &Capabilities, secure: bool) -> Result<Option<Method>, SmtpError> {
    match wanted {
        AuthMethod::None => Ok(None),
        AuthMethod::Plain => Ok(Some(Method::Plain)),
        AuthMethod::Login => Ok(Some(Method::Login)),
        AuthMethod::Auto if offered.auth_plain => Ok(Some(Method::Plain)),
        AuthMethod::Auto if offered.auth_login => Ok(Some(Method::Login)),
        AuthMethod::Auto => Err(SmtpError::NoLogIn { before_tls: !secure && offered.starttls }),
    }
}

/// The command, and what follows each challenge.
type Lines = Vec<Zeroizing<String>>;

fn plain_lines(Credentials { username, password }: Credentials<'_>) -> Lines {
    let message = Zeroizing::new(format!("\0{username}\0{password}"));
    let response = Zeroizing::new(STANDARD.encode(message.as_bytes()));
    let command = Zeroizing::new(format!("AUTH PLAIN {}", *response));
    if command.len() + 2 <= COMMAND_LINE {
        vec![command]
    } else {
        vec![Zeroizing::new("AUTH PLAIN".to_owned()), response]
    }
}

fn login_lines(Credentials { username, password }: Credentials<'_>) -> Lines {
    let encoded = |text: &str| Zeroizing::new(STANDARD.encode(text));
    vec![Zeroizing::new("AUTH LOGIN".to_owned()), encoded(username), encoded(password)]
}

async fn exchange<T: Io>(wire: &mut Wire<T>, lines: &Lines, timeouts: &Timeouts) -> Result<(), SmtpError> {
    let mut left = lines.iter();
    loop {
        // With nothing left to say, a further challenge is cancelled (RFC 4954 §4).
        let line = Zeroizing::new(format!("{}\r\n", left.next().map_or("*", |line| line.as_str())));
        let reply = wire.command(Stage::Auth, &line, timeouts.command).await?;
        match reply.code {
            235 => return Ok(()),
            334 if *line != "*\r\n" => {}
            _ => return Err(refused(Stage::Auth, reply)),
        }
    }
}

/// Servers that understand nothing like to repeat it.
fn without_secrets(error: SmtpError, lines: &Lines, credentials: Credentials<'_>) -> SmtpError {
    let secrets = || lines.iter().map(|line| line.trim_start_matches("AUTH PLAIN ")).chain([credentials.password]);
    let hide = |text: String| {
        let telling = secrets().filter(|secret| secret.len() >= RECOGNISABLE && !secret.starts_with("AUTH "));
        telling.fold(text, |text, secret| text.replace(secret, "[hidden]"))
    };
    match error {
        SmtpError::Rejected { stage, mut reply } => {
            reply.text = hide(reply.text);
            SmtpError::Rejected { stage, reply }
        }
        SmtpError::Protocol { stage, what } => SmtpError::Protocol { stage, what: hide(what) },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::SmtpReply;

    fn shown(lines: &Lines) -> Vec<&str> {
        lines.iter().map(|line| line.as_str()).collect()
    }

    #[test]
    fn a_long_secret_does_not_go_with_the_command() {
        let plain = |password: &str| plain_lines(Credentials { username: "u", password });
        assert_eq!(shown(&plain("p")), ["AUTH PLAIN AHUAcA=="]);
        // 3 bytes become 4 letters; the command has 11, the line end 2, so 372 bytes just fit.
        let fits = plain(&"x".repeat(372 - 3));
        assert_eq!((fits.len(), fits[0].len() + 2), (1, 509));
        let two_steps = plain(&"x".repeat(373 - 3));
        assert_eq!((two_steps.len(), two_steps[0].as_str(), two_steps[1].len()), (2, "AUTH PLAIN", 500));
        let login = login_lines(Credentials { username: "ü", password: "" });
        assert_eq!(shown(&login), ["AUTH LOGIN", "w7w=", ""]);
    }

    #[test]
    fn the_better_method_that_is_offered_is_taken() {
        let offered = |auth_plain, auth_login, starttls| Capabilities {
            auth_plain,
            auth_login,
            starttls,
            ..Capabilities::default()
        };
        let chosen = |wanted, plain, login| choose(wanted, &offered(plain, login, false), true).ok().flatten();
        assert_eq!(chosen(AuthMethod::Auto, true, true), Some(Method::Plain));
        assert_eq!(chosen(AuthMethod::Auto, false, true), Some(Method::Login));
        assert_eq!(chosen(AuthMethod::Auto, false, false), None);
        assert_eq!(chosen(AuthMethod::Plain, false, true), Some(Method::Plain));
        assert_eq!(chosen(AuthMethod::Login, true, false), Some(Method::Login));
        assert_eq!(choose(AuthMethod::None, &offered(true, true, false), true).unwrap(), None);
        for (starttls, secure, before_tls) in [(true, false, true), (true, true, false), (false, false, false)] {
            let error = choose(AuthMethod::Auto, &offered(false, false, starttls), secure).unwrap_err();
            assert!(matches!(error, SmtpError::NoLogIn { before_tls: is } if is == before_tls));
        }
    }

    #[test]
    fn a_server_that_repeats_the_secret_does_not_get_it_into_a_log() {
        let credentials = Credentials { username: "anna", password: "canary-secret" };
        for lines in [plain_lines(credentials), login_lines(credentials)] {
            let text = format!("what is {:?}, or canary-secret?", shown(&lines));
            let reply = SmtpReply { code: 500, enhanced: None, text: text.clone() };
            for error in [
                SmtpError::Rejected { stage: Stage::Auth, reply },
                SmtpError::Protocol { stage: Stage::Auth, what: text },
            ] {
                let shown = without_secrets(error, &lines, credentials).to_string();
                assert!(!shown.contains("canary") && shown.contains("what is [\"AUTH "), "{shown}");
                assert!(lines.iter().skip(1).all(|line| !shown.contains(line.as_str())), "{shown}");
                assert!(!shown.contains("AGFubmE"), "{shown}");
            }
        }
    }
}
