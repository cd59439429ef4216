//! Readers of a log whose source disconnects and reconnects.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, advance, timeout};
use tokio_util::sync::CancellationToken;

use super::log::{Log, Next, Start};
use super::{Record, V1, V2};
use crate::serve::clock::Clock;

const WAIT: Duration = Duration::from_secs(4);

fn record(number: u64) -> Record {
    Record { number, timestamp: 7, ..Record::default() }.rendered_as(format!("r{number}"))
}

fn records(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers.map(record).collect()
}

fn source(most: usize) -> Arc<Log> {
    Arc::new(Log::of_source(most, usize::MAX))
}

fn v2(log: &Arc<Log>, last: Option<&str>) -> V2 {
    V2::new(log.clone(), last, WAIT, Clock::from_fn(|| 42), CancellationToken::new())
}

fn v1(log: &Arc<Log>) -> V1 {
    V1::new(log.clone(), None, WAIT, CancellationToken::new())
}

/// The next part that is no comment; `None` at the end, `broken` where the body broke off.
async fn part(reader: &mut V2) -> Option<String> {
    loop {
        let text = match reader.next().await? {
            Ok(part) => String::from_utf8(part.to_vec()).expect("text"),
            Err(_) => "broken".into(),
        };
        if !text.starts_with(": ping") {
            return Some(text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_the_tail_or_the_end_before_the_source_said_where_it_is() {
    let log = source(100);
    let mut reader = v2(&log, None);
    log.extend(records(0..2), None);
    let batch = part(&mut reader).await.expect("a batch");
    assert!(batch.contains("[r0,r1]") && !batch.contains("tail"), "{batch}");
    assert!(timeout(Duration::from_secs(60), part(&mut reader)).await.is_err(), "neither ping nor end");
    // The tail is 3: one record is still to come.
    log.extend(Vec::new(), Some((3, 7)));
    assert!(timeout(Duration::from_secs(60), part(&mut reader)).await.is_err());
    log.extend(records(2..3), None);
    assert!(part(&mut reader).await.is_some_and(|text| text.contains("[r2]") && !text.contains("tail")));
    assert!(timeout(Duration::from_secs(60), part(&mut reader)).await.is_err());
    let told = Instant::now();
    log.extend(Vec::new(), Some((3, 7)));
    let ping = part(&mut reader).await;
    assert!(ping.is_some_and(|text| text.contains(r#""tail":{"seq_num":3,"timestamp":7}"#)));
    assert_eq!(part(&mut reader).await.as_deref(), Some("data: [DONE]\n\n"));
    assert_eq!((part(&mut reader).await, told.elapsed()), (None, WAIT));
}

#[tokio::test(start_paused = true)]
async fn silence_of_a_source_that_is_away_is_not_the_streams_v2() {
    let log = source(100);
    log.extend(records(0..1), Some((1, 7)));
    let mut reader = v2(&log, None);
    assert!(part(&mut reader).await.is_some_and(|text| text.contains("[r0]")));
    assert!(part(&mut reader).await.is_some_and(|text| text.starts_with("event: ping")));
    advance(Duration::from_secs(3)).await;
    log.set_live(false);
    assert!(timeout(Duration::from_secs(60), part(&mut reader)).await.is_err(), "no end meanwhile");
    let back = Instant::now();
    log.set_live(true);
    while part(&mut reader).await.is_some_and(|text| !text.contains("[DONE]")) {}
    assert_eq!(back.elapsed(), WAIT);
}

#[tokio::test(start_paused = true)]
async fn silence_of_a_source_that_is_away_is_not_the_streams_v1() {
    let log = source(100);
    log.set_live(true);
    let mut reader = v1(&log);
    log.extend(records(0..1), None);
    assert!(reader.next().await.is_some_and(|part| part.is_ok_and(|text| text == "r0")));
    log.set_live(false);
    let away = async { while reader.next().await.is_some_and(|part| part.is_ok()) {} };
    assert!(timeout(Duration::from_secs(60), away).await.is_err(), "no end meanwhile");
    let back = Instant::now();
    log.set_live(true);
    while reader.next().await.is_some() {}
    // The reader checks every 5 s.
    assert!((WAIT..WAIT + Duration::from_secs(5)).contains(&back.elapsed()), "{:?}", back.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lost_source_breaks_readers_off_after_what_is_here() {
    let log = source(100);
    let (mut reader, mut other) = (v2(&log, None), v1(&log));
    log.extend(records(0..1), None);
    log.lose();
    assert!(part(&mut reader).await.is_some_and(|text| text.contains("[r0]")));
    assert_eq!(part(&mut reader).await.as_deref(), Some("broken"));
    assert_eq!((part(&mut reader).await, reader.is_gone()), (None, false));
    assert!(other.next().await.is_some_and(|part| part.is_ok()));
    assert!(other.next().await.is_some_and(|part| part.is_err()));
    assert!(other.next().await.is_none() && !other.is_gone());
}

#[tokio::test(start_paused = true)]
async fn a_place_beyond_the_tail_is_clamped_to_it_once_the_tail_is_known() {
    let log = source(100);
    let mut reader = v2(&log, Some("1000"));
    assert_eq!(reader.cursor().as_deref(), Some("1000"));
    log.extend(records(0..2), Some((2, 7)));
    assert!(part(&mut reader).await.is_some_and(|text| text.starts_with("event: ping")));
    assert_eq!(reader.cursor().as_deref(), Some("1"));
    log.extend(records(2..3), Some((3, 7)));
    assert!(part(&mut reader).await.is_some_and(|text| text.contains("[r2]")));
    assert_eq!(reader.cursor().as_deref(), Some("2"));
}

#[test]
fn the_oldest_go_beyond_the_bounds_and_whoever_needs_them_is_told() {
    for log in [Log::of_source(2, usize::MAX), Log::of_source(100, 2 * 10)] {
        log.extend(records(0..5), None);
        assert_eq!(log.size(), (2, 2 * 10));
        assert_eq!([log.start_v2(None), log.start_v2(Some(1))], [Start::Gone; 2]);
        assert_eq!([log.start_v2(Some(2)), log.start_v2(Some(3))], [Start::At(3), Start::At(4)]);
        assert_eq!([log.start_v1(None), log.start_v1(Some((7, 1)))], [Start::Gone; 2]);
        assert_eq!(log.start_v1(Some((7, 2))), Start::At(3));
        assert!(matches!(log.next(2), Next::Behind));
        assert!(matches!(log.next(3), Next::Records(found, 5) if found.len() == 2));
    }
}

#[test]
fn one_record_larger_than_the_bounds_is_kept_alone() {
    let log = Log::of_source(100, 10);
    log.extend(records(0..1), None);
    log.extend(vec![record(1).rendered_as("x".repeat(100))], None);
    assert_eq!(log.size(), (1, 108));
}

#[test]
fn what_the_stream_itself_trimmed_is_gone_and_nobody_is_sent_elsewhere_for_it() {
    let trim =
        Record { body: Some("\0\0\0\0\0\0\0\u{3}".into()), headers: vec![(String::new(), "trim".into())], ..record(4) };
    let log = Log::of_source(2, usize::MAX);
    log.extend(records(0..4), None);
    assert_eq!(log.start_v2(None), Start::Gone);
    log.extend(vec![trim], None);
    // The bounds had dropped the records before 3, and the stream trimmed the same.
    assert_eq!([log.start_v2(None), log.start_v2(Some(3))], [Start::At(3), Start::At(4)]);
    assert!(matches!(log.next(0), Next::Records(found, 5) if found.len() == 2));
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_place_share_what_they_are_told() {
    let log = source(100);
    let long = |number| record(number).rendered_as("x".repeat(4 << 10));
    log.extend((0..3).map(long).collect(), Some((3, 7)));
    let mut readers = [v2(&log, None), v2(&log, None), v2(&log, Some("0"))];
    let mut parts = Vec::new();
    for reader in &mut readers {
        parts.push(reader.next().await.expect("a part").expect("whole"));
    }
    assert_eq!(parts[0].as_ptr(), parts[1].as_ptr());
    assert_ne!(parts[0], parts[2], "what follows a place is another part");
    let mut readers = [v1(&log), v1(&log)];
    let mut parts = Vec::new();
    for reader in &mut readers {
        parts.push(reader.next().await.expect("a part").expect("whole"));
    }
    assert_eq!((parts[0].len(), parts[0].as_ptr()), (3 * (4 << 10), parts[1].as_ptr()));
}

#[tokio::test(start_paused = true)]
async fn what_a_record_is_shown_as_is_what_it_costs_and_it_weighs_what_it_weighed() {
    let log = source(100);
    let body = Some("y".repeat(1_000));
    log.extend(vec![Record { body, ..record(0) }], Some((1, 7)));
    assert_eq!(log.size(), (1, 10));
    let batch = part(&mut v2(&log, None)).await.expect("a batch");
    assert!(batch.contains("id: 0,1,1008\n"), "{batch}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_complete_ends_once_all_of_it_was_read() {
    let begin = Instant::now();
    let log = source(100);
    let (mut one, mut two) = (v1(&log), v2(&log, None));
    log.extend(records(0..2), None);
    log.finish();
    assert_eq!(one.next().await.expect("a part").expect("a part"), "r0r1");
    assert!(one.next().await.is_none());
    assert!(part(&mut two).await.is_some_and(|text| text.contains("[r0,r1]")));
    assert!(part(&mut two).await.is_some_and(|text| text.contains("event: ping")), "the tail, as at every end");
    assert_eq!(part(&mut two).await.as_deref(), Some("data: [DONE]\n\n"));
    assert_eq!(part(&mut two).await, None);
    // The relay that stops afterwards takes nothing of it away.
    log.lose();
    assert!(part(&mut v2(&log, Some("0"))).await.is_some_and(|text| text.contains("[r1]")));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_becomes_complete_ends_for_those_who_wait() {
    let log = source(100);
    log.set_live(true);
    let (mut one, mut two) = (v1(&log), v2(&log, None));
    assert!(part(&mut two).await.is_some_and(|text| text.contains("event: ping")));
    let begin = Instant::now();
    let (one, two, ()) = tokio::join!(one.next(), part(&mut two), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        log.finish();
    });
    assert_eq!((one.is_none(), two.as_deref()), (true, Some("data: [DONE]\n\n")));
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}
