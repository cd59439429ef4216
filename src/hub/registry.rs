//! The live feeds of a process, one for each spec.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::feed::{Feed, FeedSubscriber};
use super::spec::FeedSpec;
use crate::lock::lock;

/// The live feeds by their specs.
#[derive(Debug, Default)]
pub(super) struct Registry {
    feeds: Mutex<HashMap<FeedSpec, Arc<Feed>>>,
}

/// The result of [`Registry::get_or_create`].
pub(super) enum Entry {
    /// A feed that was live already.
    Live(Arc<Feed>),
    /// The first subscriber of a new feed.
    Created(FeedSubscriber),
}

impl Registry {
    /// The live feed of `spec`, unless that is `unfit`; else the feed that `create` gives, which takes its place.
    pub(super) fn get_or_create(
        &self,
        spec: &FeedSpec,
        unfit: Option<&Arc<Feed>>,
        create: impl FnOnce() -> (Arc<Feed>, FeedSubscriber),
    ) -> Entry {
        let mut feeds = lock(&self.feeds);
        let live = feeds.get(spec).filter(|feed| !unfit.is_some_and(|unfit| Arc::ptr_eq(feed, unfit)));
        if let Some(feed) = live {
            return Entry::Live(feed.clone());
        }
        let (feed, subscriber) = create();
        let before = feeds.insert(spec.clone(), feed);
        // The replaced feed may be the last reference to many rows: they are dropped without the lock.
        drop(feeds);
        drop(before);
        Entry::Created(subscriber)
    }

    /// Removes `feed`, unless another one has taken its place already.
    pub(super) fn remove(&self, feed: &Arc<Feed>) {
        let mut feeds = lock(&self.feeds);
        if feeds.get(feed.spec()).is_some_and(|kept| Arc::ptr_eq(kept, feed)) {
            feeds.remove(feed.spec());
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.feeds).len()
    }

    #[cfg(test)]
    pub(super) fn get(&self, spec: &FeedSpec) -> Option<Arc<Feed>> {
        lock(&self.feeds).get(spec).cloned()
    }
}
