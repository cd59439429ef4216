//! The hub of the process: opens readers, and starts a feed for the first reader of each spec.

use once_cell::sync::Lazy;

use super::driver;
use super::feed::Feed;
use super::inbox::ReaderOptions;
use super::reader::Reader;
use super::registry::{Entry, Registry};
use super::spec::FeedSpec;

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

    /// A reader of the feed `spec`. The first reader starts the feed; a later one gets the present rows at once. Must
    /// be called within a Tokio runtime.
    pub fn open(&'static self, spec: &FeedSpec, options: ReaderOptions) -> Reader {
        let registry = &self.registry;
        let create = || {
            let (feed, subscriber) = Feed::new(spec.clone(), options);
            feed.run(tokio::spawn(driver::drive(registry, feed.clone())).abort_handle());
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
