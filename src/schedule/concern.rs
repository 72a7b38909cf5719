//! Whom a failure concerns, as seen from the profile. Pure.

use crate::model::{
    failure::{Failure, FailureCode, Persistence, Scope},
    profile::{AuthenticateUsing, ServerProfile},
};

/// A refused log-in is about the mailbox, unless it was the profile's name and password that were
/// refused; or (`storm`) everybody is refused: then nobody's confirmations are spent.
pub fn concern(failure: Failure, profile: &ServerProfile, storm: bool) -> Failure {
    if failure.scope != Scope::Mailbox {
        return failure;
    }
    let is_password = failure.code.is_refused_password();
    if storm && is_password {
        let (code, persistence) = (FailureCode::AuthMassRefused, Persistence::Transient);
        return Failure { code, persistence, scope: Scope::Profile, ..failure };
    }
    let shared = profile.authenticate_using == AuthenticateUsing::Profile && profile.username.is_some();
    if shared && (is_password || failure.code == FailureCode::AuthContactAdmin) {
        return Failure { scope: Scope::Profile, ..failure };
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{samples, timestamp::Timestamp};

    fn profile(authenticate_using: AuthenticateUsing, username: Option<&str>) -> ServerProfile {
        let username = username.map(str::to_owned);
        ServerProfile { authenticate_using, username, ..samples::profile("p", Timestamp::EPOCH) }
    }

    #[test]
    fn whose_password_it_was_decides_whom_a_refusal_stops() {
        use FailureCode as C;
        use Scope::{Mailbox, Profile};
        let own = profile(AuthenticateUsing::Mailbox, None);
        let shared = profile(AuthenticateUsing::Profile, Some("sync"));
        let master = profile(AuthenticateUsing::Profile, None);
        for (code, scope, profile, storm, expected) in [
            (C::AuthRejected, Mailbox, &own, false, (C::AuthRejected, Mailbox)),
            (C::AuthRejected, Mailbox, &own, true, (C::AuthMassRefused, Profile)),
            (C::AuthUnclear, Mailbox, &own, true, (C::AuthMassRefused, Profile)),
            (C::InboxUnavailable, Mailbox, &own, true, (C::InboxUnavailable, Mailbox)),
            (C::AuthRejected, Mailbox, &shared, false, (C::AuthRejected, Profile)),
            (C::AuthExpired, Mailbox, &shared, false, (C::AuthExpired, Profile)),
            (C::AuthorizationFailed, Mailbox, &shared, false, (C::AuthorizationFailed, Mailbox)),
            (C::InboxUnavailable, Mailbox, &shared, false, (C::InboxUnavailable, Mailbox)),
            (C::AuthRejected, Mailbox, &master, false, (C::AuthRejected, Mailbox)),
            (C::HostUnreachable, Profile, &own, true, (C::HostUnreachable, Profile)),
        ] {
            let failure = Failure::new(code, scope, Persistence::UntilConfirmed, "no");
            let concern = concern(failure, profile, storm);
            assert_eq!((concern.code, concern.scope), expected, "{code} {storm}");
        }
    }
}
