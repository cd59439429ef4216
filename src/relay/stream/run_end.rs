//! Whether the run of a shared stream is over, which its feed tells: then the stream is drained, and ends (R10).

use std::fmt::Debug;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::relay::feed::{FeedKey, Feeds, Subscriber};

/// How long the feed is not read after the stream was written to: a stream that is written to is of a run that goes on,
/// and a feed costs a connection to the server.
const QUIET: Duration = Duration::from_secs(2);
/// How long the stream's first request waits for the feed: it is another one for a run that is over.
const FIRST_LOOK: Duration = Duration::from_millis(250);
/// The pause after a feed that cannot be read.
const RETRY: Duration = Duration::from_secs(30);

/// The runs' ends.
pub(crate) trait RunEnds: Debug + Send + Sync {
    /// Whether a run is over; false where that cannot be known.
    fn is_over(&self, run: &str) -> BoxFuture<'static, bool>;

    /// Waits until a run is over; for ever where that cannot be known.
    fn end(&self, run: &str) -> BoxFuture<'static, ()>;
}

impl RunEnds for Feeds {
    fn is_over(&self, run: &str) -> BoxFuture<'static, bool> {
        let feed = feed_of(self, run);
        Box::pin(async move {
            match feed {
                Some(feed) => feed.is_run_over().await.unwrap_or(false),
                None => false,
            }
        })
    }

    fn end(&self, run: &str) -> BoxFuture<'static, ()> {
        let (feeds, run) = (self.clone(), run.to_owned());
        Box::pin(async move {
            loop {
                if let Some(feed) = feed_of(&feeds, &run)
                    && feed.run_end().await.is_ok()
                {
                    return;
                }
                sleep(RETRY).await;
            }
        })
    }
}

/// The feed belongs to no viewer: the stream's own viewers count for the stream.
fn feed_of(feeds: &Feeds, run: &str) -> Option<Subscriber> {
    feeds.subscribe(FeedKey::run(run).ok()?, None).ok()
}

/// Watches for the end of one stream's run.
pub(super) struct RunWatch {
    ends: Option<Arc<dyn RunEnds>>,
    run: String,
    /// Set while the feed is read.
    end: Option<BoxFuture<'static, ()>>,
    /// When the feed is read again, or since when it is.
    at: Instant,
    is_over: bool,
}

impl RunWatch {
    /// A watch that begins with the stream; without `ends` it never finds an end.
    pub(super) fn new(ends: Option<Arc<dyn RunEnds>>, run: String) -> Self {
        Self { ends, run, end: None, at: Instant::now(), is_over: false }
    }

    /// Whether the run is over already, as far as can be known soon.
    pub(super) async fn first_look(&mut self) -> bool {
        if let Some(ends) = &self.ends {
            self.is_over = timeout(FIRST_LOOK, ends.is_over(&self.run)).await.unwrap_or(false);
        }
        self.at = Instant::now();
        self.is_over
    }

    /// The stream was written to.
    pub(super) fn written(&mut self) {
        let now = Instant::now();
        // One that is written to all the time would ask for the feed again and again, and never hear from it.
        if self.end.is_none() || self.at + QUIET <= now {
            self.end = None;
            self.at = now + QUIET;
        }
    }

    /// Ready once, when the run is found to be over. May be dropped and called again.
    pub(super) async fn over(&mut self) {
        let Some(ends) = self.ends.as_ref().filter(|_| !self.is_over) else { return pending().await };
        if self.end.is_none() {
            sleep_until(self.at).await;
            self.at = Instant::now();
        }
        self.end.get_or_insert_with(|| ends.end(&self.run)).await;
        self.end = None;
        self.is_over = true;
    }
}
