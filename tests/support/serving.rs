//! Tasks of a test's server, whose panics fail the test. Tokio keeps a panic in a `JoinHandle`, which nothing awaits
//! here, and the client under test takes the connection that broke for bad luck, and tries again.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

/// Whether a task of the server panicked. Held by the test; dropping it fails the test if one did.
#[derive(Debug, Default)]
pub struct Panics(Arc<AtomicBool>);

impl Panics {
    /// To be held by a task across everything that may panic.
    pub fn guard(&self) -> Guard {
        Guard(self.0.clone())
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        // A test that fails already has its reason.
        if !std::thread::panicking() {
            assert!(!self.0.load(Ordering::SeqCst), "a handler of the test's server panicked, as is printed above");
        }
    }
}

/// Notes a panic that unwinds through it.
#[derive(Clone, Debug)]
pub struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::SeqCst);
        }
    }
}

/// A server's task. Dropping it ends the task, and fails the test if the task panicked.
#[derive(Debug)]
pub struct Serving {
    task: JoinHandle<()>,
    _panics: Panics,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a server's task.
#[must_use = "dropping it ends the task"]
pub fn serving(task: impl Future<Output = ()> + Send + 'static) -> Serving {
    let panics = Panics::default();
    let guard = panics.guard();
    let task = tokio::spawn(async move {
        let _guard = guard;
        task.await;
    });
    Serving { task, _panics: panics }
}
