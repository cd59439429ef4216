//! The addresses of a server's name. Connections that need the same name at the same time share one look-up (T22): the
//! system looks names up on a few threads, where those of a thousand connections would wait for each other.
//!
//! No answer is kept: a connection that is opened later finds a server that has moved.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns;
use once_cell::sync::Lazy;
use tokio::sync::OnceCell;

use crate::lock::lock;

static LOOKUPS: Lazy<Lookups> = Lazy::new(Lookups::default);

/// The addresses of `name`, each with port 0.
///
/// # Errors
/// Those of the system's resolver.
pub(super) async fn addresses(name: &str) -> io::Result<Vec<SocketAddr>> {
    LOOKUPS.share(name, || async { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }).await
}

/// The resolver of every client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resolver;

/// The pool's connector.
impl tower_service::Service<dns::Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        Box::pin(async move { Ok(addresses(name.as_str()).await?.into_iter()) })
    }
}

/// The general clients.
impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move { Ok(Box::new(addresses(name.as_str()).await?.into_iter()) as reqwest::dns::Addrs) })
    }
}

/// The look-ups under way, by name.
#[derive(Debug, Default)]
struct Lookups(Mutex<HashMap<Box<str>, Arc<Lookup>>>);

/// A look-up. An [`io::Error`] cannot be cloned: its kind and its text can.
type Lookup = OnceCell<Result<Vec<SocketAddr>, (io::ErrorKind, String)>>;

impl Lookups {
    /// The outcome of the look-up of `name` that is under way, or of a new one. Where the caller that began it has left,
    /// one of those that wait begins it anew.
    async fn share<F>(&self, name: &str, look_up: impl FnOnce() -> F) -> io::Result<Vec<SocketAddr>>
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>>,
    {
        let waiter = self.join(name);
        let outcome = waiter
            .lookup
            .get_or_init(|| async { look_up().await.map_err(|error| (error.kind(), error.to_string())) })
            .await;
        outcome.clone().map_err(|(kind, text)| io::Error::new(kind, text))
    }

    fn join<'a>(&'a self, name: &'a str) -> Waiter<'a> {
        let mut under_way = lock(&self.0);
        let known = under_way.get(name).filter(|lookup| !lookup.initialized()).map(Arc::clone);
        let lookup = known.unwrap_or_else(|| {
            let lookup = Arc::new(Lookup::new());
            under_way.insert(name.into(), Arc::clone(&lookup));
            lookup
        });
        Waiter { lookups: self, name, lookup }
    }
}

/// Waits for a look-up, which is forgotten once it is over, or nobody waits for it.
struct Waiter<'a> {
    lookups: &'a Lookups,
    name: &'a str,
    lookup: Arc<Lookup>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.lookups.0);
        // The list has it, and this waiter.
        let is_over = self.lookup.initialized() || Arc::strong_count(&self.lookup) == 2;
        if is_over && under_way.get(self.name).is_some_and(|lookup| Arc::ptr_eq(lookup, &self.lookup)) {
            under_way.remove(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// A resolver whose answers come one for each permit, and a count of what it was asked.
    struct System {
        asked: AtomicUsize,
        answers: Semaphore,
    }

    impl System {
        fn new() -> Self {
            Self { asked: AtomicUsize::new(0), answers: Semaphore::new(0) }
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }

        /// An address that tells how many were asked for before.
        async fn answer(&self) -> io::Result<Vec<SocketAddr>> {
            let before = self.asked.fetch_add(1, Ordering::Relaxed);
            self.answers.acquire().await.expect("open").forget();
            let last = u8::try_from(before).expect("few");
            Ok(vec![SocketAddr::from(([127, 0, 0, last], 0))])
        }
    }

    fn left(lookups: &Lookups) -> usize {
        lock(&lookups.0).len()
    }

    #[tokio::test]
    async fn a_thousand_connections_at_once_look_a_name_up_once_and_the_next_one_anew() {
        let (lookups, system) = (Lookups::default(), System::new());
        let all = join_all((0..1_000).map(|_| lookups.share("server.test", || system.answer())));
        let (answers, ()) = tokio::join!(all, async { system.answers.add_permits(1) });
        assert_eq!(system.asked(), 1);
        for found in answers {
            assert_eq!(found.expect("an address"), [SocketAddr::from(([127, 0, 0, 0], 0))]);
        }
        // The server may have moved since.
        system.answers.add_permits(1);
        let later = lookups.share("server.test", || system.answer()).await.expect("an address");
        assert_eq!(later, [SocketAddr::from(([127, 0, 0, 1], 0))]);
        assert_eq!(left(&lookups), 0);
    }

    #[tokio::test]
    async fn a_connection_that_is_given_up_takes_the_look_up_from_nobody() {
        let (lookups, system) = (Lookups::default(), System::new());
        let mut first = Box::pin(lookups.share("server.test", || system.answer()));
        let mut second = Box::pin(lookups.share("server.test", || system.answer()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        drop(first);
        assert!((&mut second).now_or_never().is_none());
        let mut third = Box::pin(lookups.share("server.test", || system.answer()));
        assert!((&mut third).now_or_never().is_none());
        system.answers.add_permits(1);
        let (second, third) = tokio::join!(second, third);
        assert_eq!(second.expect("an address"), third.expect("an address"));
        assert_eq!((system.asked(), left(&lookups)), (2, 0));
        let mut alone = Box::pin(lookups.share("server.test", || system.answer()));
        assert!((&mut alone).now_or_never().is_none());
        drop(alone);
        assert_eq!(left(&lookups), 0, "nothing is kept of a look-up that nobody waits for");
    }

    #[tokio::test]
    async fn all_hear_of_a_name_that_is_unknown_and_the_next_one_asks_again() {
        let (lookups, system) = (Lookups::default(), System::new());
        let unknown = || async {
            tokio::task::yield_now().await;
            Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))
        };
        let all = join_all((0..10).map(|_| lookups.share("server.test", unknown))).await;
        for refused in all {
            let error = refused.expect_err("no address");
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::NotFound, "no such name".to_owned()));
        }
        system.answers.add_permits(1);
        lookups.share("server.test", || system.answer()).await.expect("an address");
    }

    #[tokio::test]
    async fn names_are_looked_up_side_by_side() {
        let (lookups, system) = (Lookups::default(), System::new());
        let mut slow = Box::pin(lookups.share("slow.test", || system.answer()));
        assert!((&mut slow).now_or_never().is_none());
        let quick = lookups.share("quick.test", || async { Ok(vec![SocketAddr::from(([127, 0, 0, 9], 0))]) });
        assert_eq!(quick.await.expect("an address").len(), 1);
        assert!((&mut slow).now_or_never().is_none());
    }
}
