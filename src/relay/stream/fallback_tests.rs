//! Viewers that need records which a shared stream no longer has: the relay asks the server (R4, R5).

use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::tests::{
    FAILSAFE, V1, V2, gone, key, live, numbers, ping, read, record, streams, until, upstream, view, view_or,
};
use super::{Fallback, Reply};
use crate::serve::Body;

/// A fallback that goes on with this text, and the places that it is asked for.
fn going_on(text: &'static str) -> (Fallback, mpsc::UnboundedReceiver<Option<String>>) {
    let (tell, places) = mpsc::unbounded_channel();
    let fallback: Fallback = Box::new(move |place| {
        Box::pin(async move {
            let _ = tell.send(place);
            Some(Body::new(http_body_util::Full::new(Bytes::from(text)).map_err(|never| match never {})))
        })
    });
    (fallback, places)
}

#[tokio::test]
async fn whoever_falls_behind_goes_on_at_the_server_where_it_stands() {
    // v1 resumes from before the last id that was sent, because other events may share it.
    for (head, write, place, answered) in [
        (V2, record as fn(u64) -> String, "0", "the rest"),
        (
            V1,
            |number| format!("id: 7-{number}\ndata: {{\"seq_num\":{number},\"extra\":1}}\n\n"),
            "6-18446744073709551615",
            "id: 7-0\ndata: told\n\nid: 7-1\ndata: the rest\n\n",
        ),
    ] {
        let (url, send, _server) = live(head).await;
        let (streams, _stop) = streams(&url);
        let streams = streams.bounded(2, usize::MAX);
        let _viewer = streams.open(key()).expect("room");
        send.send(write(0)).expect("it reads");
        until(async || streams.stats().records == 1).await;
        let (fallback, mut places) = going_on(answered);
        let Reply::Answer(answer) = view_or(&streams, None, fallback).await else { unreachable!("it has all") };
        let (fresh_fallback, mut fresh_places) = going_on("all of it");
        let fresh = view_or(&streams, None, fresh_fallback).await;
        let mut body = answer.into_http(&HeaderMap::new(), Version::HTTP_11).into_body();
        let first = timeout(FAILSAFE, body.frame()).await.expect("in time").expect("a frame").expect("whole");
        assert_eq!(numbers(&String::from_utf8_lossy(&first.into_data().expect("data"))), [0]);
        // The viewer does not read, and nothing is queued for it.
        send.send((1..500).map(write).collect()).expect("it reads");
        gone(&streams).await;
        until(async || matches!(view(&streams, Some("498")).await, Reply::Answer(_)) || head == V1).await;
        assert_eq!(streams.stats().records, 2);
        let rest = timeout(FAILSAFE, body.collect()).await.expect("in time").expect("whole");
        let rest = String::from_utf8_lossy(&rest.to_bytes()).into_owned();
        assert_eq!(rest, answered.replace("id: 7-0\ndata: told\n\n", ""));
        assert_eq!(places.recv().await, Some(Some(place.to_owned())));
        // A viewer that has read nothing yet begins at the server.
        assert_eq!(read(fresh).await, (200, "all of it".into(), true));
        assert_eq!(fresh_places.recv().await, Some(None));
    }
}

#[tokio::test]
async fn whoever_falls_behind_amid_events_that_share_an_id_misses_none_of_them() {
    let event = |number: u64| format!("id: 7-0\ndata: {number}\n\n");
    let (url, send, _server) = live(V1).await;
    let (streams, _stop) = streams(&url);
    let streams = streams.bounded(2, usize::MAX);
    let _viewer = streams.open(key()).expect("room");
    send.send(event(0) + &event(1)).expect("it reads");
    until(async || streams.stats().records == 2).await;
    let (tell, mut places) = mpsc::unbounded_channel();
    let whole: String = (0..50).map(event).collect::<String>() + ": ping\n\nid: 8-0\ndata: 50\n\n";
    // The server resumes strictly after the place.
    let stored = whole.clone();
    let fallback: Fallback = Box::new(move |place| {
        Box::pin(async move {
            let text = if place.as_deref() == Some("7-0") { "id: 8-0\ndata: 50\n\n".to_owned() } else { stored };
            let _ = tell.send(place);
            Some(Body::new(http_body_util::Full::new(Bytes::from(text)).map_err(|never| match never {})))
        })
    });
    let Reply::Answer(answer) = view_or(&streams, None, fallback).await else { unreachable!("it has all") };
    let mut body = answer.into_http(&HeaderMap::new(), Version::HTTP_11).into_body();
    let first = timeout(FAILSAFE, body.frame()).await.expect("in time").expect("a frame").expect("whole");
    assert_eq!(first.into_data().expect("data"), event(0) + &event(1));
    send.send((2..50).map(event).collect::<String>() + "id: 8-0\ndata: 50\n\n").expect("it reads");
    gone(&streams).await;
    let rest = timeout(FAILSAFE, body.collect()).await.expect("in time").expect("whole").to_bytes();
    let expected = (2..50).map(event).collect::<String>() + "id: 8-0\ndata: 50\n\n";
    assert_eq!(String::from_utf8_lossy(&rest), expected);
    assert_eq!(places.recv().await, Some(Some("6-18446744073709551615".into())));
}

#[tokio::test]
async fn whoever_has_read_nothing_since_its_place_goes_on_right_after_it() {
    let event = |number: u64| format!("id: {number}-0\ndata: {number}\n\n");
    let (url, send, _server) = live(V1).await;
    let (streams, _stop) = streams(&url);
    let streams = streams.bounded(2, usize::MAX);
    let _viewer = streams.open(key()).expect("room");
    send.send(event(7)).expect("it reads");
    until(async || streams.stats().records == 1).await;
    let (fallback, mut places) = going_on("id: 8-0\ndata: 8\n\n");
    let Reply::Answer(answer) = view_or(&streams, Some("7-0"), fallback).await else { unreachable!("it has all") };
    send.send((8..500).map(event).collect()).expect("it reads");
    gone(&streams).await;
    let body = answer.into_http(&HeaderMap::new(), Version::HTTP_11).into_body();
    let rest = timeout(FAILSAFE, body.collect()).await.expect("in time").expect("whole").to_bytes();
    assert_eq!(String::from_utf8_lossy(&rest), event(8));
    assert_eq!(places.recv().await, Some(Some("7-0".to_owned())));
}

#[tokio::test]
async fn whoever_falls_behind_is_broken_off_where_the_server_cannot_be_asked() {
    let (url, send, _server) = live(V2).await;
    let (streams, _stop) = streams(&url);
    let streams = streams.bounded(2, usize::MAX);
    let _viewer = streams.open(key()).expect("room");
    send.send(record(0)).expect("it reads");
    until(async || streams.stats().records == 1).await;
    let reply = view(&streams, None).await;
    send.send((1..5).map(record).collect()).expect("it reads");
    gone(&streams).await;
    assert_eq!(read(reply).await, (200, String::new(), false));
}

#[tokio::test]
async fn what_is_kept_no_more_is_asked_of_the_server() {
    let text = V2.to_owned() + &(0..5).map(record).collect::<String>() + &ping(5);
    let (url, _heads) = upstream(vec![(text, false)]).await;
    let (streams, _stop) = streams(&url);
    let streams = streams.bounded(2, usize::MAX);
    // Keeps the stream between the others.
    let _viewer = streams.open(key()).expect("room");
    gone(&streams).await;
    assert!(matches!(view(&streams, Some("1")).await, Reply::Upstream));
    assert_eq!(numbers(&read(view(&streams, Some("2")).await).await.1), [3, 4]);
}
