//! The reader of a stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::AbortHandle;

use super::driver;
use super::plan::StreamSpec;
use super::queue::{Batch, Queue, ReaderOptions, Status};

/// The reader of a stream. Dropping it ends the stream.
#[derive(Debug)]
pub struct Reader {
    queue: Arc<Queue>,
    driver: AbortHandle,
}

impl Reader {
    /// Opens the stream. Must be called within a Tokio runtime.
    pub fn open(spec: StreamSpec, options: ReaderOptions) -> Self {
        let queue = Arc::new(Queue::new(options));
        let driver = tokio::spawn(driver::drive(spec, queue.clone())).abort_handle();
        Self { queue, driver }
    }

    /// The next batch, as soon as there are values, notices or the end. After the end, only the end. Dropping the
    /// future before it is ready loses nothing.
    pub async fn next(&self) -> Batch {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Reader::next`]. The driver wakes the task that polled last, on the driver's thread.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Batch> {
        self.queue.poll(cx)
    }

    /// The run is over: the stream ends as soon as what was written has been read.
    pub fn run_over(&self) {
        self.queue.set_run_over();
    }

    /// Ends the stream: a pending [`Reader::next`] ends at once, unread values are dropped. Idempotent.
    pub fn close(&self) {
        self.driver.abort();
        self.queue.close();
    }

    /// A snapshot of the stream's state and counts.
    pub fn status(&self) -> Status {
        self.queue.status()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}
