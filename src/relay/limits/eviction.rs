//! The proxied requests that wait for their own viewer: for more of the request's body, or for the answer to be read.
//! Where no more requests may be proxied (`limits.passing`), the one that has waited for longest is evicted, so that a
//! viewer that does nothing keeps no other out (A19).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::lock::lock;
use crate::relay::digest::Digest;
use crate::serve::Body;

/// How long a request may wait for its viewer before it can be evicted.
const MIN_IDLE: Duration = Duration::from_secs(1);

/// The requests that wait for their viewer.
#[derive(Debug, Default)]
pub(super) struct EvictionQueue(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    /// In the order in which they began to wait.
    waiting: BTreeMap<u64, (Instant, Arc<Evictable>)>,
}

impl EvictionQueue {
    fn enter(&self, evictable: &Arc<Evictable>) {
        lock(&self.0).enter(evictable);
    }

    fn leave(&self, evictable: &Evictable) {
        lock(&self.0).leave(evictable);
    }

    /// Takes out a request whose permit is given back. Its bodies may live a little longer, and do not queue it again.
    pub(super) fn remove(&self, evictable: &Evictable) {
        let mut queue = lock(&self.0);
        evictable.is_over.store(true, Relaxed);
        queue.leave(evictable);
    }

    /// Takes out the request that has waited for longest, if that is [`MIN_IDLE`] or more.
    pub(super) fn evict(&self) -> Option<Arc<Evictable>> {
        let mut queue = lock(&self.0);
        let first = queue.waiting.first_entry().filter(|first| first.get().0.elapsed() >= MIN_IDLE)?;
        let (_, evictable) = first.remove();
        evictable.position.store(0, Relaxed);
        evictable.is_evicted.store(true, Relaxed);
        Some(evictable)
    }
}

impl Queue {
    fn enter(&mut self, evictable: &Arc<Evictable>) {
        let is_gone = evictable.is_evicted() || evictable.is_over.load(Relaxed);
        if evictable.position.load(Relaxed) == 0 && !is_gone {
            self.last += 1;
            evictable.position.store(self.last, Relaxed);
            self.waiting.insert(self.last, (Instant::now(), evictable.clone()));
        }
    }

    fn leave(&mut self, evictable: &Evictable) {
        self.waiting.remove(&evictable.position.swap(0, Relaxed));
    }
}

/// A proxied request, and whether it waits for its viewer.
pub(crate) struct Evictable {
    queue: Arc<EvictionQueue>,
    pub(super) token: Digest,
    /// The request's key in the queue; 0 while it does not wait. Changed under the queue's lock.
    position: AtomicU64,
    is_evicted: AtomicBool,
    /// Whether its permit was given back. Changed under the queue's lock.
    is_over: AtomicBool,
    ended: CancellationToken,
    /// Whether the server answered: the request's body no longer counts then, only the reading of the answer. Changed
    /// under the queue's lock.
    is_answered: AtomicBool,
    /// The rest of an answer, while its viewer does not read.
    unread: Mutex<Option<Body>>,
}

impl Evictable {
    pub(super) fn new(queue: Arc<EvictionQueue>, token: Digest) -> Arc<Self> {
        Arc::new(Self {
            queue,
            token,
            position: AtomicU64::new(0),
            is_evicted: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            ended: CancellationToken::new(),
            is_answered: AtomicBool::new(false),
            unread: Mutex::default(),
        })
    }

    /// Whether the request was evicted.
    pub(crate) fn is_evicted(&self) -> bool {
        self.is_evicted.load(Relaxed)
    }

    /// Breaks the request's and the answer's body off.
    pub(super) fn end(&self) {
        self.ended.cancel();
        drop(self.take());
    }

    /// Sets whether the request waits for more of its body.
    fn set_uploading(self: &Arc<Self>, waits: bool) {
        // The answer may come meanwhile, on another thread.
        let mut queue = lock(&self.queue.0);
        match (self.is_answered.load(Relaxed), waits) {
            (true, _) => {}
            (false, true) => queue.enter(self),
            (false, false) => queue.leave(self),
        }
    }

    fn set_answered(&self) {
        let mut queue = lock(&self.queue.0);
        queue.leave(self);
        self.is_answered.store(true, Relaxed);
    }

    /// Keeps the rest of an answer until its viewer reads on.
    fn park(self: &Arc<Self>, unread: Body) {
        *lock(&self.unread) = Some(unread);
        self.queue.enter(self);
        if self.is_evicted() {
            drop(self.take());
        }
    }

    fn unpark(&self) -> Option<Body> {
        self.queue.leave(self);
        self.take()
    }

    fn take(&self) -> Option<Body> {
        lock(&self.unread).take()
    }

    /// The request's body. The request waits for its viewer while the body is pending.
    pub(crate) fn track_upload(self: &Arc<Self>, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let ended = Box::pin(self.ended.clone().cancelled_owned());
        Upload { body, ended, evictable: self.clone() }.boxed_unsync()
    }

    /// The answer's body. The request waits for its viewer while the body is not polled.
    pub(crate) fn track_download(self: &Arc<Self>, body: Body) -> Body {
        self.set_answered();
        if body.is_end_stream() {
            return body;
        }
        let mut download = Download { evictable: self.clone(), is_end: false, hint: SizeHint::new() };
        download.park(body);
        download.boxed_unsync()
    }
}

impl fmt::Debug for Evictable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evictable").field("is_evicted", &self.is_evicted()).finish_non_exhaustive()
    }
}

fn evicted() -> io::Error {
    io::Error::other("it made way to another")
}

struct Upload {
    body: Body,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    evictable: Arc<Evictable>,
}

impl hyper::body::Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.evictable.set_uploading(polled.is_pending());
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(evicted())));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.evictable.set_uploading(false);
    }
}

struct Download {
    evictable: Arc<Evictable>,
    is_end: bool,
    hint: SizeHint,
}

impl Download {
    fn park(&mut self, body: Body) {
        (self.is_end, self.hint) = (body.is_end_stream(), body.size_hint());
        self.evictable.park(body);
    }
}

impl hyper::body::Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.is_end {
            return Poll::Ready(None);
        }
        let Some(mut body) = self.evictable.unpark().filter(|_| !self.evictable.is_evicted()) else {
            return Poll::Ready(Some(Err(evicted())));
        };
        let polled = Pin::new(&mut body).poll_frame(cx);
        match &polled {
            // The request waits for the server, not for its viewer: it is not in the queue.
            Poll::Pending => *lock(&self.evictable.unread) = Some(body),
            Poll::Ready(Some(Ok(_))) => self.park(body),
            Poll::Ready(None | Some(Err(_))) => self.is_end = true,
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.is_end
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.evictable.unpark();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;
    use std::thread;

    use super::*;
    use crate::relay::limits::Limiter;
    use crate::relay::options::Limits;
    use crate::relay::stats::{Gauges, Stats};

    /// A body that never comes.
    fn slow() -> Body {
        let parts = futures_util::stream::pending::<io::Result<Frame<Bytes>>>();
        http_body_util::StreamBody::new(parts).boxed_unsync()
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_outlives_its_request_lets_no_more_requests_through_than_the_limit() {
        let limiter = Limiter::new(Limits { passing: 1, ..Limits::default() }, Arc::default());
        let first = limiter.enter_proxied([1; 32]).expect("room");
        let mut upload = first.evictable().expect("a proxied request").track_upload(slow());
        drop(first);
        // The connection to the server notices a moment later.
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut upload).poll_frame(&mut cx).is_pending());
        let _second = limiter.enter_proxied([2; 32]).expect("room");
        tokio::time::advance(MIN_IDLE).await;
        assert!(limiter.enter_proxied([3; 32]).is_err(), "the second one is still in flight");
    }

    fn poll(body: &mut Body) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// A limiter with room for one proxied request, and what it counts: the requests now, and those over the limit.
    fn one_at_a_time() -> (Arc<Limiter>, impl Fn() -> (u64, u64)) {
        let stats = Arc::<Stats>::default();
        let limiter = Limiter::new(Limits { passing: 1, ..Limits::default() }, stats.clone());
        let counts = move || {
            let json = stats.to_json(Gauges::default());
            let number = |value: &serde_json::Value| value.as_u64().expect("a number");
            (number(&json["passing"]["now"]), number(&json["limited"]["passing"]))
        };
        (limiter, counts)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_viewer_stopped_sending_breaks_off_and_another_takes_its_place() {
        let (limiter, counts) = one_at_a_time();
        let first = limiter.enter_proxied([1; 32]).expect("room");
        let mut upload = first.evictable().expect("a proxied request").track_upload(slow());
        assert!(poll(&mut upload).is_pending());
        tokio::time::advance(MIN_IDLE / 2).await;
        assert!(limiter.enter_proxied([2; 32]).is_err(), "it may only have paused");
        assert_eq!(counts(), (1, 1));
        tokio::time::advance(MIN_IDLE / 2).await;
        let second = limiter.enter_proxied([2; 32]).expect("the idle one makes way");
        assert!(matches!(poll(&mut upload), Poll::Ready(Some(Err(_)))), "its body breaks off");
        assert_eq!(counts(), (1, 2));
        drop((first, upload));
        assert_eq!(counts(), (1, 2), "it was counted out already");
        drop(second);
        assert_eq!(counts(), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_its_viewer_does_not_read_breaks_off_and_is_forgotten_at_once() {
        let (limiter, _) = one_at_a_time();
        let first = limiter.enter_proxied([1; 32]).expect("room");
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let parts = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|bytes| (io::Result::Ok(Frame::data(bytes)), receiver))
        });
        let body = http_body_util::StreamBody::new(parts).boxed_unsync();
        let mut download = first.evictable().expect("a proxied request").track_download(body);
        sender.send(Bytes::from_static(b"part")).expect("it is open");
        assert!(matches!(poll(&mut download), Poll::Ready(Some(Ok(_)))));
        tokio::time::advance(MIN_IDLE).await;
        let _second = limiter.enter_proxied([2; 32]).expect("the idle one makes way");
        assert!(sender.is_closed(), "nothing more is taken from the server");
        assert!(matches!(poll(&mut download), Poll::Ready(Some(Err(_)))), "the answer is not taken for whole");
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_waits_for_the_rest_of_an_answer_is_not_idle_though_it_sent_no_more() {
        let (limiter, _) = one_at_a_time();
        let first = limiter.enter_proxied([1; 32]).expect("room");
        let evictable = first.evictable().expect("a proxied request");
        let mut upload = evictable.track_upload(slow());
        assert!(poll(&mut upload).is_pending());
        let mut download = evictable.track_download(slow());
        assert!(poll(&mut download).is_pending() && poll(&mut upload).is_pending());
        tokio::time::advance(10 * MIN_IDLE).await;
        assert!(limiter.enter_proxied([2; 32]).is_err(), "the server keeps it waiting");
        drop((upload, download));
        assert!(!evictable.is_evicted());
    }

    #[test]
    fn a_viewer_whose_answer_came_as_its_upload_paused_is_not_taken_for_idle() {
        let queue = Arc::<EvictionQueue>::default();
        let evictable = Evictable::new(queue.clone(), [1; 32]);
        let held = lock(&queue.0);
        let upload = thread::spawn({
            let evictable = evictable.clone();
            move || evictable.set_uploading(true)
        });
        // The thread of the upload waits for the lock.
        thread::sleep(Duration::from_millis(50));
        evictable.is_answered.store(true, Relaxed);
        drop(held);
        upload.join().expect("no panic");
        assert!(lock(&queue.0).waiting.is_empty());
    }
}
