//! Writing who waits, who goes on, and what is taken back.

use super::{
    super::{agenda::Command, alarm, journal},
    Running,
    turn::concerns_one,
};
use crate::{
    means::stored,
    model::timestamp::Timestamp,
    store::{Store, StoreError},
};

impl Running {
    pub(super) async fn write_holds(&mut self) {
        while let Some(command) = self.to_write.pop_front() {
            match write(&self.store, &command, self.clock.now()).await {
                Ok(()) => {}
                Err(error) if concerns_one(&error) => {
                    if let Command::Hold(side, _) | Command::Release(side) | Command::TakeBack(side, ..) = command {
                        journal::unwritten(side, &stored::failure(&error));
                    }
                }
                Err(error) => {
                    self.to_write.push_front(command);
                    return self.fail(&error);
                }
            }
        }
    }
}

async fn write(store: &Store, command: &Command, now: Timestamp) -> Result<(), StoreError> {
    match command {
        Command::Hold(side, hold) => {
            let alerts = alarm::held(*side, hold, now);
            stored::patiently(|| store.put_hold(side.workload, side.profile, hold, &alerts, now)).await
        }
        Command::Release(side) => {
            let alerts = alarm::released(*side);
            stored::patiently(|| store.clear_hold(side.workload, side.profile, &alerts, now)).await
        }
        Command::TakeBack(side, codes, since) => {
            stored::patiently(|| store.take_back(side.workload, side.profile, codes, *since, now)).await
        }
        Command::Start(_) => Ok(()),
    }
}
