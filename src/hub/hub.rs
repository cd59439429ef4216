//! The hub of the process: opens readers, and starts a feed for the first reader of each spec.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use once_cell::sync::Lazy;

use super::batch::Batch;
use super::driver;
use super::feed::Feed;
use super::inbox::ReaderOptions;
use super::reader::Reader;
use super::registry::{Entry, Registry};
use super::spec::FeedSpec;
use super::upstream::{self, Budget, Changes};
use crate::config::Endpoint;

static HUB: Lazy<Hub> = Lazy::new(Hub::default);

/// Shares one live feed of each spec among any number of readers (defect 15).
#[derive(Debug, Default)]
pub struct Hub {
    pub(super) registry: Registry,
}

impl Hub {
    /// The hub of the process.
    pub fn global() -> &'static Self {
        &HUB
    }

    /// The budget of long-polls that the feeds of `endpoint` share, with those of `options` that say something; `None`
    /// where they say that there is no limit. It lasts as long as a feed keeps it.
    pub fn budget(endpoint: &Endpoint, options: &upstream::Options) -> Option<Arc<Budget>> {
        let open: fn(&FeedSpec) -> Box<dyn Changes> = |spec| {
            let options = ReaderOptions { copies: true, notices: true, ..ReaderOptions::default() };
            Box::new(Self::global().open(spec, options))
        };
        (options.connections != Some(0)).then(|| upstream::budget(endpoint, options, open))
    }

    /// A reader of the feed `spec`, which polls without a budget.
    pub fn open(&'static self, spec: &FeedSpec, options: ReaderOptions) -> Reader {
        self.open_within(spec, options, None)
    }

    /// A reader of the feed `spec`. The first reader starts the feed, with long-polls out of `budget`; a later one gets
    /// the present rows at once. Must be called within a Tokio runtime.
    pub fn open_within(&'static self, spec: &FeedSpec, options: ReaderOptions, budget: Option<&Arc<Budget>>) -> Reader {
        let registry = &self.registry;
        let create = || {
            let (feed, subscriber) = Feed::new(spec.clone(), options);
            feed.run(tokio::spawn(driver::drive(registry, feed.clone(), budget.cloned())).abort_handle());
            (feed, subscriber)
        };
        // A feed that ended, or that no longer has all of its rows: a new one replaces it.
        let mut unfit = None;
        loop {
            match registry.get_or_create(spec, unfit.as_ref(), create) {
                Entry::Created(subscriber) => return Reader::new(registry, subscriber),
                // Joining takes as long as there are rows: the registry is not locked meanwhile.
                Entry::Live(feed) => match feed.attach(options) {
                    Some(subscriber) => return Reader::new(registry, subscriber),
                    None => unfit = Some(feed),
                },
            }
        }
    }

    /// The number of live feeds.
    pub fn feeds(&self) -> usize {
        self.registry.len()
    }
}

impl Changes for Reader {
    fn next(&self) -> BoxFuture<'_, Batch> {
        Box::pin(Self::next(self))
    }
}
