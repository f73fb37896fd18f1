//! A stack of tasks and the workers that empty it. A task may push more; the work ends when the stack is empty and nobody
//! is busy, or when a task fails.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Tasks, newest first.
pub(super) struct Crew<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    stack: Vec<T>,
    busy: usize,
    closed: bool,
}

impl<T> Default for Crew<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State { stack: Vec::new(), busy: 0, closed: false }), changed: Notify::new() }
    }
}

enum Next<T> {
    Task(T),
    Wait,
    End,
}

impl<T> Crew<T> {
    /// Adds a task, to be taken before older ones.
    pub(super) fn push(&self, task: T) {
        self.locked(|state| state.stack.push(task));
        self.changed.notify_one();
    }

    /// Drops what is waiting; what is under way ends by itself.
    pub(super) fn close(&self) {
        self.locked(|state| state.closed = true);
        self.changed.notify_waiters();
    }

    /// Works until nothing is left. The first error closes the crew and is returned.
    pub(super) async fn work<E, F: Future<Output = Result<(), E>>>(&self, workers: usize, run: impl Fn(T) -> F) -> Result<(), E> {
        let run = &run;
        let worker = |_| async move {
            let outcome = self.worker(run).await;
            if outcome.is_err() {
                self.close();
            }
            outcome
        };
        let outcomes = futures_util::future::join_all((0..workers.max(1)).map(worker)).await;
        outcomes.into_iter().collect()
    }

    async fn worker<E, F: Future<Output = Result<(), E>>>(&self, run: &impl Fn(T) -> F) -> Result<(), E> {
        loop {
            let changed = self.changed.notified();
            match self.next() {
                Next::Task(task) => {
                    let outcome = run(task).await;
                    self.rest();
                    outcome?;
                }
                Next::Wait => changed.await,
                Next::End => return Ok(()),
            }
        }
    }

    fn next(&self) -> Next<T> {
        self.locked(|state| match state.stack.pop() {
            _ if state.closed => Next::End,
            Some(task) => {
                state.busy += 1;
                Next::Task(task)
            }
            None if state.busy > 0 => Next::Wait,
            None => Next::End,
        })
    }

    fn rest(&self) {
        let last = self.locked(|state| {
            state.busy -= 1;
            state.busy == 0 && state.stack.is_empty()
        });
        if last {
            self.changed.notify_waiters();
        }
    }

    fn locked<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn every_task_is_done_once_however_they_grow() {
        let (crew, done) = (Crew::default(), AtomicUsize::new(0));
        crew.push(10_u32);
        let run = async |task: u32| {
            tokio::task::yield_now().await;
            (0..task).for_each(|smaller| crew.push(smaller));
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<(), ()>(())
        };
        assert_eq!(crew.work(7, run).await, Ok(()));
        assert_eq!(done.into_inner(), 1 << 10);
    }

    #[tokio::test]
    async fn an_error_ends_the_work() {
        let crew = Crew::default();
        (0..100).for_each(|task| crew.push(task));
        let run = async |task: i32| if task == 50 { Err(task) } else { Ok(()) };
        assert_eq!(crew.work(3, run).await, Err(50));
    }
}
