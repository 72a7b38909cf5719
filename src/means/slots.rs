//! How many connections are open, in all, to each host and for each profile that logs in with
//! credentials of its own.
//!
//! The agenda already starts no more cycles than the limits allow. This counts what the limits
//! speak of, open connections, so that those kept between polls count too; where they are in the
//! way, the one parked longest gives place.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tokio::sync::Notify;

use crate::model::{
    ids::{MailboxId, ProfileId},
    mailbox::Workload,
};

use super::account::Account;

/// The limits in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLimits {
    /// Open connections in all.
    pub total: usize,
    /// Open connections to one host.
    pub per_host: usize,
}

/// What a connection counts towards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotKey {
    /// The host it goes to.
    pub host: String,
    /// The profile, for one of its workloads, and its limit, where the profile's credentials are used.
    pub profile: Option<((ProfileId, Workload), usize)>,
}

impl SlotKey {
    /// What a connection for `account` counts towards.
    pub fn of(account: &Account) -> Self {
        let profile = ((account.profile, account.workload), account.maximum_connections);
        Self { host: account.endpoint.host.clone(), profile: account.profile_credentials.then_some(profile) }
    }
}

/// What to do to open one more connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Room {
    /// There is room, and it is taken.
    Taken,
    /// The connection parked for this mailbox must be closed first.
    Evict(MailboxId),
    /// All are in use: wait until one is closed.
    Full,
}

#[derive(Debug)]
struct Counts {
    limits: SlotLimits,
    total: usize,
    hosts: BTreeMap<String, usize>,
    profiles: BTreeMap<(ProfileId, Workload), usize>,
    /// Parked connections, oldest first.
    parked: Vec<(MailboxId, SlotKey)>,
}

impl Counts {
    fn room(&mut self, key: &SlotKey) -> Room {
        let host_full = self.hosts.get(&key.host).is_some_and(|open| *open >= self.limits.per_host);
        let profile_full = |profile: &((ProfileId, Workload), usize)| {
            self.profiles.get(&profile.0).is_some_and(|open| *open >= profile.1)
        };
        let profile = key.profile.as_ref().filter(|profile| profile_full(profile)).map(|(id, _)| *id);
        let total_full = self.total >= self.limits.total;
        if !host_full && profile.is_none() && !total_full {
            self.total += 1;
            *self.hosts.entry(key.host.clone()).or_default() += 1;
            if let Some((id, _)) = key.profile {
                *self.profiles.entry(id).or_default() += 1;
            }
            return Room::Taken;
        }
        let in_the_way = |parked: &SlotKey| {
            (!host_full || parked.host == key.host)
                && (profile.is_none() || parked.profile.as_ref().map(|(id, _)| *id) == profile)
        };
        match self.parked.iter().position(|(_, parked)| in_the_way(parked)) {
            Some(index) => Room::Evict(self.parked.remove(index).0),
            None => Room::Full,
        }
    }

    fn free(&mut self, key: &SlotKey) {
        self.total -= 1;
        decrement(&mut self.hosts, &key.host);
        if let Some((id, _)) = key.profile {
            decrement(&mut self.profiles, &id);
        }
    }
}

/// Counts one less and forgets what is at zero, so that hosts of long ago take no memory.
fn decrement<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(open) = counts.get_mut(key) {
        *open -= 1;
        if *open == 0 {
            counts.remove(key);
        }
    }
}

/// Closes the connection parked for a mailbox.
type Evict = Box<dyn Fn(MailboxId) + Send + Sync>;

/// The count of open connections, shared by all that open them.
#[derive(Clone)]
pub struct Slots {
    counts: Arc<Mutex<Counts>>,
    freed: Arc<Notify>,
    evict: Arc<OnceLock<Evict>>,
}

impl std::fmt::Debug for Slots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slots").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Slots {
    /// Nothing open yet.
    pub fn new(limits: SlotLimits) -> Self {
        let counts = Counts { limits, total: 0, hosts: BTreeMap::new(), profiles: BTreeMap::new(), parked: Vec::new() };
        Self { counts: Arc::new(Mutex::new(counts)), freed: Arc::default(), evict: Arc::default() }
    }

    /// Says, once, how a parked connection is closed: whoever parks some must.
    pub fn evict_by(&self, evict: impl Fn(MailboxId) + Send + Sync + 'static) {
        let _ = self.evict.set(Box::new(evict));
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        // Each change is complete before the lock is let go, so a panic elsewhere spoils nothing.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the limits; connections that are open stay open.
    pub fn limit(&self, limits: SlotLimits) {
        self.counts().limits = limits;
        self.freed.notify_waiters();
    }

    /// Waits for room for one more connection. The one parked longest that is in the way is closed.
    ///
    /// # Cancel safety
    /// Dropping it takes no slot.
    pub async fn take(&self, key: SlotKey) -> Slot {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Registered before the look, so that a slot freed in between is not missed.
            freed.as_mut().enable();
            let room = self.counts().room(&key);
            match room {
                Room::Taken => return Slot { slots: self.clone(), key },
                Room::Evict(mailbox) => {
                    if let Some(evict) = self.evict.get() {
                        evict(mailbox);
                    }
                }
                Room::Full => {}
            }
            freed.await;
        }
    }

    /// Notes that the connection of `mailbox` is not in use and may be closed for another.
    pub fn parked(&self, mailbox: MailboxId, key: SlotKey) {
        self.counts().parked.push((mailbox, key));
        self.freed.notify_waiters();
    }

    /// Notes that the connection of `mailbox` is in use again, or gone.
    pub fn unparked(&self, mailbox: MailboxId) {
        self.counts().parked.retain(|(parked, _)| *parked != mailbox);
    }

    /// How many connections may be open in all.
    pub fn limit_in_all(&self) -> usize {
        self.counts().limits.total
    }

    /// Open connections in all.
    pub fn open(&self) -> usize {
        self.counts().total
    }
}

/// The right to one open connection; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    key: SlotKey,
}

impl Slot {
    /// What it counts towards.
    pub fn key(&self) -> &SlotKey {
        &self.key
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.counts().free(&self.key);
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::model::timestamp::Timestamp;

    fn key(host: &str) -> SlotKey {
        SlotKey { host: host.to_owned(), profile: None }
    }

    fn mailbox() -> MailboxId {
        MailboxId::generate(Timestamp::EPOCH)
    }

    #[test]
    fn a_full_host_does_not_stop_another_and_a_freed_slot_is_given_on() {
        let slots = Slots::new(SlotLimits { total: 3, per_host: 1 });
        let a = slots.take(key("a")).now_or_never().unwrap();
        assert!(slots.take(key("a")).now_or_never().is_none());
        let _b = slots.take(key("b")).now_or_never().unwrap();
        drop(a);
        assert!(slots.take(key("a")).now_or_never().is_some());
        assert_eq!(slots.open(), 1);
    }

    #[test]
    fn the_connection_parked_longest_that_is_in_the_way_gives_place() {
        let slots = Slots::new(SlotLimits { total: 3, per_host: 2 });
        let kept = Arc::new(Mutex::new(BTreeMap::new()));
        let evicted = Arc::new(Mutex::new(Vec::new()));
        let (closing, closed) = (Arc::clone(&kept), Arc::clone(&evicted));
        slots.evict_by(move |id| closed.lock().unwrap().push(closing.lock().unwrap().remove(&id).unwrap()));
        for host in ["b", "a", "a"] {
            let id = mailbox();
            let slot = slots.take(key(host)).now_or_never().unwrap();
            slots.parked(id, slot.key().clone());
            kept.lock().unwrap().insert(id, (host, slot));
        }
        // The slot is freed a moment after; the waiter was registered before and wakes.
        let mut taking = std::pin::pin!(slots.take(key("a")));
        assert!(taking.as_mut().now_or_never().is_none());
        let closed: Vec<&str> = evicted.lock().unwrap().drain(..).map(|(host, _): (&str, Slot)| host).collect();
        assert_eq!(closed, ["a"]);
        let taken = taking.now_or_never();
        assert!(taken.is_some());
        assert_eq!(slots.open(), 3);
    }

    #[test]
    fn a_profile_with_credentials_of_its_own_has_its_own_limit() {
        let slots = Slots::new(SlotLimits { total: 9, per_host: 9 });
        let profile = ProfileId::generate(Timestamp::EPOCH);
        let of_profile = || SlotKey { host: "a".to_owned(), profile: Some(((profile, Workload::Incoming), 2)) };
        let _one = slots.take(of_profile()).now_or_never().unwrap();
        let _two = slots.take(of_profile()).now_or_never().unwrap();
        assert!(slots.take(of_profile()).now_or_never().is_none());
        assert!(slots.take(key("a")).now_or_never().is_some());
        let sending = SlotKey { profile: Some(((profile, Workload::Outgoing), 2)), ..of_profile() };
        assert!(slots.take(sending).now_or_never().is_some(), "reading does not keep from sending");
    }
}
