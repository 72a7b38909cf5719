//! Who may approve a mailbox, and who may let others do so. Pure; the table below is that of
//! Microsoft's server-side synchronization.
//!
//! | deployment | to approve |
//! |---|---|
//! | online | an authority over mail (global administrator, Exchange administrator, or delegated approver) *and* system administrator |
//! | on premises | system administrator |
//!
//! One's own mailbox may be approved only where self-approval is allowed. The delegated role is handed
//! out by global and Exchange administrators alone, to single persons, never to teams or groups.
//!
//! On the command line there is nobody to ask for roles: whoever may write the database file, or log in
//! to the database, has every authority there is, and is named in the audit log. That is
//! [`Roles::local_administrator`]; he satisfies the stricter deployment, so that no setting for it is
//! needed there.

/// What a person is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Administers this program, or the CRM around it.
    pub system_administrator: bool,
    /// Runs the service; has no say about mail by that.
    pub service_administrator: bool,
    /// Administers the mail servers.
    pub exchange_administrator: bool,
    /// Administers everything of the organization.
    pub global_administrator: bool,
    /// Was named by one of the two before to decide about mailboxes in their place.
    pub delegated_approver: bool,
}

impl Roles {
    /// Of who works on the machine itself.
    pub const fn local_administrator() -> Self {
        Self {
            system_administrator: true,
            service_administrator: true,
            exchange_administrator: true,
            global_administrator: true,
            delegated_approver: true,
        }
    }

    const fn administers_mail(self) -> bool {
        self.global_administrator || self.exchange_administrator
    }

    const fn decides_about_mail(self) -> bool {
        self.administers_mail() || self.delegated_approver
    }
}

/// Where the mail servers stand, and so who answers for the mail on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// At a provider: its administrators must agree.
    Online,
    /// In the house.
    OnPremises,
}

/// Whose mailbox it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Somebody else's.
    Others,
    /// That of who decides.
    Own,
}

/// Whether one may approve one's own mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfApproval {
    /// With the same roles as for any other.
    Allowed,
    /// Somebody else must.
    Forbidden,
}

/// Why somebody may not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It lacks the one role that is always needed.
    #[error("only a system administrator may approve or reject mailboxes")]
    NoSystemAdministrator,
    /// A system administrator alone does not decide about mail at a provider.
    #[error(
        "a system administrator needs one more role to approve or reject mailboxes here: \
         global administrator, Exchange administrator or delegated mailbox approver"
    )]
    NoAuthorityOverMail,
    /// It is one's own.
    #[error("nobody may approve or reject the mailbox of their own here: ask somebody else who may")]
    OwnMailbox,
    /// Handing the role on takes more than having it.
    #[error("only a global or Exchange administrator may name or dismiss delegated mailbox approvers")]
    MayNotDelegate,
}

/// Whether somebody with `roles` may approve or reject a mailbox.
///
/// # Errors
/// Not he, and why.
pub const fn may_approve(
    roles: Roles,
    deployment: Deployment,
    whose: Whose,
    self_approval: SelfApproval,
) -> Result<(), Refusal> {
    match (deployment, whose, self_approval) {
        _ if !roles.system_administrator => Err(Refusal::NoSystemAdministrator),
        (Deployment::Online, ..) if !roles.decides_about_mail() => Err(Refusal::NoAuthorityOverMail),
        (_, Whose::Own, SelfApproval::Forbidden) => Err(Refusal::OwnMailbox),
        _ => Ok(()),
    }
}

/// Whether somebody with `roles` may make others delegated approvers, or take that away.
///
/// # Errors
/// Not he, and why.
pub const fn may_delegate(roles: Roles) -> Result<(), Refusal> {
    if roles.administers_mail() { Ok(()) } else { Err(Refusal::MayNotDelegate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(bits: u8) -> Roles {
        let has = |bit: u8| bits & (1 << bit) != 0;
        Roles {
            system_administrator: has(0),
            service_administrator: has(1),
            exchange_administrator: has(2),
            global_administrator: has(3),
            delegated_approver: has(4),
        }
    }

    /// S: system, V: service, E: Exchange, G: global, D: delegated approver. For each set of roles
    /// whether it may approve online, on premises, and whether it may delegate. Written out by hand
    /// from the table of the product, not computed.
    const TABLE: [(&str, bool, bool, bool); 32] = [
        ("", false, false, false),
        ("S", false, true, false),
        ("V", false, false, false),
        ("SV", false, true, false),
        ("E", false, false, true),
        ("SE", true, true, true),
        ("VE", false, false, true),
        ("SVE", true, true, true),
        ("G", false, false, true),
        ("SG", true, true, true),
        ("VG", false, false, true),
        ("SVG", true, true, true),
        ("EG", false, false, true),
        ("SEG", true, true, true),
        ("VEG", false, false, true),
        ("SVEG", true, true, true),
        ("D", false, false, false),
        ("SD", true, true, false),
        ("VD", false, false, false),
        ("SVD", true, true, false),
        ("ED", false, false, true),
        ("SED", true, true, true),
        ("VED", false, false, true),
        ("SVED", true, true, true),
        ("GD", false, false, true),
        ("SGD", true, true, true),
        ("VGD", false, false, true),
        ("SVGD", true, true, true),
        ("EGD", false, false, true),
        ("SEGD", true, true, true),
        ("VEGD", false, false, true),
        ("SVEGD", true, true, true),
    ];

    #[test]
    fn the_whole_table() {
        for (bits, (letters, online, on_premises, delegates)) in (0_u8..).zip(TABLE) {
            let named: String =
                "SVEGD".chars().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, c)| c).collect();
            assert_eq!(named, letters);
            let roles = roles(bits);
            for (deployment, expected) in [(Deployment::Online, online), (Deployment::OnPremises, on_premises)] {
                for self_approval in [SelfApproval::Allowed, SelfApproval::Forbidden] {
                    let others = may_approve(roles, deployment, Whose::Others, self_approval);
                    assert_eq!(others.is_ok(), expected, "{letters} {deployment:?}");
                    let own = may_approve(roles, deployment, Whose::Own, self_approval);
                    assert_eq!(
                        own.is_ok(),
                        expected && self_approval == SelfApproval::Allowed,
                        "{letters} {deployment:?}"
                    );
                }
            }
            assert_eq!(may_delegate(roles).is_ok(), delegates, "{letters}");
        }
    }

    #[test]
    fn who_is_refused_is_told_what_is_missing() {
        let why = |bits, deployment, whose| may_approve(roles(bits), deployment, whose, SelfApproval::Forbidden);
        let (online, on_premises) = (Deployment::Online, Deployment::OnPremises);
        for everything_else in [0b00000, 0b00010, 0b01100, 0b11110] {
            let refused = why(everything_else, online, Whose::Own);
            assert_eq!(refused, Err(Refusal::NoSystemAdministrator));
            assert_eq!(why(everything_else, on_premises, Whose::Own), refused);
        }
        assert_eq!(why(0b00011, online, Whose::Others), Err(Refusal::NoAuthorityOverMail));
        assert_eq!(why(0b11111, online, Whose::Own), Err(Refusal::OwnMailbox));
        assert_eq!(why(0b00001, on_premises, Whose::Own), Err(Refusal::OwnMailbox));
        assert_eq!(may_delegate(roles(0b10001)), Err(Refusal::MayNotDelegate));
    }

    #[test]
    fn who_works_on_the_machine_may_decide_everywhere() {
        let all = Roles::local_administrator();
        assert_eq!(all, roles(0b11111));
        for deployment in [Deployment::Online, Deployment::OnPremises] {
            assert_eq!(may_approve(all, deployment, Whose::Others, SelfApproval::Forbidden), Ok(()));
        }
        assert_eq!(may_delegate(all), Ok(()));
    }
}
