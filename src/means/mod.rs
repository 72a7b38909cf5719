//! What the cycles of both directions work with: how a mailbox is reached, passwords, connection
//! slots, memory, and the store with patience.

pub mod account;
pub mod budget;
pub mod credentials;
pub mod lockout;
pub mod network;
pub mod slots;
pub mod stored;

use tokio_util::sync::CancellationToken;

use crate::{base::clock::Clock, store::Store};

use budget::Budget;

/// What all cycles share; cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where it is recorded.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The memory.
    pub budget: Budget,
    /// Set when the program stops: no further batch is begun.
    pub stop: CancellationToken,
}
