//! Streams whose run is over, over a scripted upstream (R10).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use tokio::sync::watch;
use tokio::time::{Instant, advance, timeout};
use tokio_util::sync::CancellationToken;

use super::run_end::{RunEnds, RunWatch};
use super::tests::{FAILSAFE, V1, V2, key, numbers, ping, read, record, streams, upstream};
use super::{Reply, Streams, answer};
use crate::serve::Request;

/// A run that ends when a test says so.
#[derive(Clone, Debug)]
struct Run {
    over: watch::Sender<bool>,
    /// How often its feed was opened to wait for the end.
    waits: Arc<AtomicUsize>,
}

impl Run {
    fn new(is_over: bool) -> Self {
        Self { over: watch::Sender::new(is_over), waits: Arc::default() }
    }

    fn end(&self) {
        self.over.send_replace(true);
    }

    fn waits(&self) -> usize {
        self.waits.load(Ordering::SeqCst)
    }
}

impl RunEnds for Run {
    fn is_over(&self, _: &str) -> BoxFuture<'static, bool> {
        let is_over = *self.over.borrow();
        Box::pin(async move { is_over })
    }

    fn end(&self, _: &str) -> BoxFuture<'static, ()> {
        self.waits.fetch_add(1, Ordering::SeqCst);
        let mut over = self.over.subscribe();
        Box::pin(async move {
            over.wait_for(|over| *over).await.expect("the run lives as long as the test");
        })
    }
}

/// A viewer that waits for a minute of silence, as the official ones do.
async fn view(streams: &Streams) -> Reply {
    let request = Request { method: Method::GET, headers: HeaderMap::new(), query: None, origin: String::new() };
    let none = Box::new(|_| async { None }.boxed());
    timeout(FAILSAFE, answer(streams.open(key()).expect("room"), &request, none)).await.expect("an answer in time")
}

fn streams_of(url: &str, run: &Run) -> (Streams, CancellationToken) {
    let (streams, stop) = streams(url);
    (streams.ending_with(run.clone()), stop)
}

#[tokio::test]
async fn the_stream_of_a_run_that_is_over_ends_once_it_was_read_and_for_those_who_come_later_too() {
    let v1 = "id: 7-0\ndata: 0\n\nid: 8-0\ndata: 1\n\n";
    for (text, ends, within) in [
        (V2.to_owned() + &record(0) + &record(1) + &ping(2), "data: [DONE]\n\n", Duration::from_millis(1_500)),
        (V1.to_owned() + v1, "data: 1\n\n", Duration::from_secs(5)),
    ] {
        let (url, _heads) = upstream(vec![(text, false)]).await;
        let (streams, _stop) = streams_of(&url, &Run::new(true));
        let begin = Instant::now();
        let first = read(view(&streams).await).await;
        assert!(begin.elapsed() < within, "{:?}", begin.elapsed());
        assert!(first.2 && first.1.ends_with(ends), "{first:?}");
        let begin = Instant::now();
        let (status, body, well) = read(view(&streams).await).await;
        assert!(begin.elapsed() < Duration::from_secs(1), "from memory, without another request");
        let values = |text: &str| text.split("timestamp\":1").next().map(str::to_owned);
        assert_eq!((status, values(&body), well), (200, values(&first.1), true));
    }
}

#[tokio::test]
async fn what_was_appended_just_before_the_end_of_the_run_is_read() {
    let answers = vec![
        (V2.to_owned() + &record(0) + &ping(1), false),
        // What the first connection never brought.
        (V2.to_owned() + &record(1) + &record(2) + &ping(3), false),
    ];
    let (url, _heads) = upstream(answers).await;
    let run = Run::new(false);
    let (streams, _stop) = streams_of(&url, &run);
    let viewer = view(&streams).await;
    run.end();
    let (_, body, well) = read(viewer).await;
    assert_eq!((numbers(&body), well), (vec![0, 1, 2], true), "{body}");
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
}

#[tokio::test]
async fn the_stream_of_a_run_that_goes_on_does_not_end() {
    let (url, _heads) = upstream(vec![(V2.to_owned() + &record(0) + &ping(1), false)]).await;
    let (streams, _stop) = streams_of(&url, &Run::new(false));
    let viewer = view(&streams).await;
    assert!(timeout(Duration::from_secs(3), read(viewer)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_feed_is_read_only_while_the_stream_is_quiet() {
    let run = Run::new(false);
    let mut watch = RunWatch::new(Some(Arc::new(run.clone())), "run_1".into());
    assert!(!watch.first_look().await);
    assert!(watch.over().now_or_never().is_none() && run.waits() == 1, "at its beginning");
    watch.written();
    assert!(watch.over().now_or_never().is_none() && run.waits() == 1, "one that was just opened is heard");
    for _ in 0..5 {
        advance(Duration::from_millis(1_999)).await;
        watch.written();
        assert!(watch.over().now_or_never().is_none());
    }
    assert_eq!(run.waits(), 1, "not while it is written to");
    assert!(timeout(Duration::from_millis(1_990), watch.over()).await.is_err());
    assert_eq!(run.waits(), 1);
    assert!(timeout(Duration::from_millis(20), watch.over()).await.is_err());
    assert_eq!(run.waits(), 2, "once it is quiet");
    run.end();
    watch.over().await;
    assert!(timeout(Duration::from_secs(60), watch.over()).await.is_err(), "it is told once");
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_says_nothing_holds_a_stream_up_for_a_moment_alone() {
    #[derive(Debug)]
    struct Silent;
    impl RunEnds for Silent {
        fn is_over(&self, _: &str) -> BoxFuture<'static, bool> {
            Box::pin(std::future::pending())
        }
        fn end(&self, _: &str) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }
    let begin = Instant::now();
    assert!(!RunWatch::new(Some(Arc::new(Silent)), "run_1".into()).first_look().await);
    assert!((250..=251).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    let mut none = RunWatch::new(None, "run_1".into());
    assert!(!none.first_look().await && none.over().now_or_never().is_none());
}
