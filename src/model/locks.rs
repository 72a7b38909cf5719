//! When a stored password would reach somebody whom it was not entered for. Pure.
//!
//! A password is entered for the servers that its profile names at that moment. Whoever may change a
//! profile must not be able to have the passwords of others sent to a server of their own: where the
//! servers change, the stored passwords are locked until they are entered again.

use super::profile::{AuthMethod, Endpoint};

/// Whether passwords that were entered for the servers `before` would reach another one of `after`, or
/// the same with another protection. No servers: there is no profile.
///
/// A server that asks for no log-in gets no password, and does not count.
pub fn reach_others(before: &[&Endpoint], after: &[&Endpoint]) -> bool {
    let known = |wanted: &Endpoint| before.iter().any(|endpoint| asks(endpoint) && is_same(endpoint, wanted));
    after.iter().any(|endpoint| asks(endpoint) && !known(endpoint))
}

/// `1 stored password is locked`, or more of them.
pub fn passwords_locked(count: usize) -> String {
    if count == 1 { "1 stored password is locked".to_owned() } else { format!("{count} stored passwords are locked") }
}

fn asks(endpoint: &Endpoint) -> bool {
    endpoint.auth != AuthMethod::None
}

/// Names of hosts are the same in upper and lower case.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    one.host.eq_ignore_ascii_case(&other.host) && (one.port, one.security) == (other.port, other.security)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::Security;

    fn endpoint(host: &str, port: u16, security: Security, auth: AuthMethod) -> Endpoint {
        Endpoint { host: host.into(), port, security, auth }
    }

    #[test]
    fn a_password_is_for_the_servers_that_were_there() {
        use AuthMethod::{Auto, None as Nobody, Plain};
        use Security::{None as Clear, Starttls, Tls};
        let imap = endpoint("imap.a.example", 993, Tls, Auto);
        let smtp = endpoint("smtp.a.example", 587, Starttls, Auto);
        let relay = endpoint("smtp.a.example", 587, Starttls, Nobody);
        let clear = endpoint("imap.a.example", 993, Clear, Auto);
        let (reads, both, relays): (&[&Endpoint], &[&Endpoint], &[&Endpoint]) =
            (&[&imap], &[&imap, &smtp], &[&imap, &relay]);
        for (what, before, after, expected) in [
            ("the same", both, both, false),
            ("another case", both, &[&endpoint("IMAP.A.example", 993, Tls, Auto), &smtp][..], false),
            ("another method", both, &[&endpoint("imap.a.example", 993, Tls, Plain), &smtp], false),
            ("another host", reads, &[&endpoint("imap.b.example", 993, Tls, Auto)], true),
            ("another port", reads, &[&endpoint("imap.a.example", 994, Tls, Auto)], true),
            ("no encryption", reads, &[&clear], true),
            ("more encryption", &[&clear], reads, true),
            ("sending as well", reads, both, true),
            ("sending no more", both, reads, false),
            ("another host to send", both, &[&imap, &endpoint("b.example", 587, Starttls, Auto)], true),
            ("a relay without a log-in", reads, relays, false),
            ("the relay asks for one now", relays, both, true),
            ("a first server: nobody has agreed to any", &[], reads, true),
            ("no server at all: nobody gets it", reads, &[], false),
        ] {
            assert_eq!(reach_others(before, after), expected, "{what}");
        }
    }
}
