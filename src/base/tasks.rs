//! The only place that starts tasks.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks of one owner: each has a name, and all can be waited for.
///
/// Clones share the same set.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
}

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts `future` as a task. Its log lines lie in a span of its name.
    ///
    /// Dropping the handle detaches the task; it still counts in [`Tasks::close_and_wait`]. A panic
    /// ends only this task and is seen as `Err` of the handle.
    #[expect(clippy::disallowed_methods, reason = "the one lawful place to start a task")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let span = tracing::debug_span!("task", name);
        tokio::spawn(self.tracker.track_future(future.instrument(span)))
    }

    /// Starts `future` as a task on a thread of its own. For one that waits for another thread again
    /// and again: it is woken at once, however busy the threads of all other tasks are.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn_thread<F>(&self, name: &'static str, future: F) -> std::io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (span, runtime, token) =
            (tracing::debug_span!("task", name), tokio::runtime::Handle::current(), self.tracker.token());
        let run = move || {
            runtime.block_on(future.instrument(span));
            drop(token);
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
    }

    /// How many are running.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until every task has ended. Tasks started meanwhile are waited for as well.
    ///
    /// # Cancel safety
    /// May be dropped and called again.
    pub async fn close_and_wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_with_a_thread_of_its_own_is_waited_for_too() {
        let tasks = Tasks::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let work = async move {
            let _ = gone.await;
            let _ = tell.send(std::thread::current().name().map(str::to_owned));
        };
        tasks.spawn_thread("apart", work).unwrap();
        assert_eq!(tasks.len(), 1);
        go.send(()).unwrap();
        tasks.close_and_wait().await;
        assert_eq!(told.await.unwrap().as_deref(), Some("apart"));
    }

    #[tokio::test]
    async fn waits_for_all_and_a_panic_ends_only_its_own_task() {
        let tasks = Tasks::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let waits = tasks.spawn("waits", async move { gone.await.is_ok() });
        let dies = tasks.spawn("dies", async { panic!("on purpose") });
        assert!(dies.await.unwrap_err().is_panic());
        assert_eq!(tasks.len(), 1);
        go.send(()).unwrap();
        tasks.close_and_wait().await;
        assert!(waits.await.unwrap());
        assert!(tasks.is_empty());
    }
}
