//! Timing stages, and telling of them.

use std::future::Future;

use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use crate::model::{
    failure::Failure,
    mailbox::Workload,
    testing::{Stage, StageReport, TestFailure},
};

/// Goes the stages of one workload, and tells of each as it ends.
#[derive(Clone, Debug)]
pub struct Steps {
    workload: Workload,
    told: UnboundedSender<StageReport>,
}

impl Steps {
    /// Of `workload`; the stages go to `told`. Where nobody listens any more, they are gone all the same.
    pub fn new(workload: Workload, told: UnboundedSender<StageReport>) -> Self {
        Self { workload, told }
    }

    /// Goes one stage.
    ///
    /// # Errors
    /// What `way` ends with, as `classify` sees it.
    ///
    /// # Cancel safety
    /// As safe as `way` is; a stage that does not end is not told of.
    pub async fn go<T, E>(
        &self,
        stage: Stage,
        way: impl Future<Output = Result<T, E>>,
        classify: impl FnOnce(&E) -> Failure,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let ended = way.await.map_err(|error| classify(&error));
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let failure = ended.as_ref().err().map(TestFailure::from);
        let _ = self.told.send(StageReport { workload: self.workload, stage, milliseconds, failure });
        ended
    }
}
