//! Views: the lists of mailboxes that an administrator looks at.

use serde::Serialize;

/// Which mailboxes. All but [`View::Mine`] follow from the state of the database alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// Those that are not retired.
    Active,
    /// Those of one owner.
    Mine,
    /// Those whose last test failed.
    TestAndEnableFailed,
    /// Approved ones that are to be read or to send, and are not enabled for that.
    Disabled,
    /// Those that wait after a failure of their own.
    Postponed,
    /// Those that wait with their profile.
    Held,
    /// Those that somebody must approve.
    PendingApproval,
    /// Those that are enabled and due, and have not been read for long.
    Stale,
}

impl View {
    /// Every view.
    pub const ALL: [Self; 8] = [
        Self::Active,
        Self::Mine,
        Self::TestAndEnableFailed,
        Self::Disabled,
        Self::Postponed,
        Self::Held,
        Self::PendingApproval,
        Self::Stale,
    ];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Mine => "mine",
            Self::TestAndEnableFailed => "test-and-enable-failed",
            Self::Disabled => "disabled",
            Self::Postponed => "postponed",
            Self::Held => "held",
            Self::PendingApproval => "pending-approval",
            Self::Stale => "stale",
        }
    }
}

/// How many mailboxes each view has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ViewCounts {
    /// [`View::Active`].
    pub active: u64,
    /// [`View::TestAndEnableFailed`].
    pub test_and_enable_failed: u64,
    /// [`View::Disabled`].
    pub disabled: u64,
    /// [`View::Postponed`].
    pub postponed: u64,
    /// [`View::Held`].
    pub held: u64,
    /// [`View::PendingApproval`].
    pub pending_approval: u64,
    /// [`View::Stale`].
    pub stale: u64,
}

impl ViewCounts {
    /// With the name of each view.
    pub const fn named(&self) -> [(&'static str, u64); 7] {
        [
            (View::Active.name(), self.active),
            (View::TestAndEnableFailed.name(), self.test_and_enable_failed),
            (View::Disabled.name(), self.disabled),
            (View::Postponed.name(), self.postponed),
            (View::Held.name(), self.held),
            (View::PendingApproval.name(), self.pending_approval),
            (View::Stale.name(), self.stale),
        ]
    }
}
