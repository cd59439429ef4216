use std::time::Duration;

use tokio::time::timeout;

use super::{Attempt, ClientSlot};
use crate::error::{Error, Kind, Result};
use crate::http::clients::{Limits, build, builder};
use crate::http::half_open::{HalfOpenServer, Version};
use crate::http::instant::SuspendAwareInstant;

const FAILSAFE: Duration = Duration::from_secs(10);

/// Times in milliseconds, since a slot makes its client without arguments.
const HOUR: u64 = 3_600_000;
const SHORT: u64 = 100;

/// A slot whose clients keep idle connections for `IDLE` and ping those of HTTP/2 after `PING`, and a
/// server for it.
async fn slot<const IDLE: u64, const PING: u64>(version: Version) -> (ClientSlot, HalfOpenServer) {
    fn limits(idle: u64, ping: u64) -> Limits {
        let millis = Duration::from_millis;
        Limits { idle: millis(idle), ping_after: millis(ping), ping_timeout: millis(ping) }
    }
    let slot = match version {
        Version::Http1 => ClientSlot::new(|| build(builder(&[], limits(IDLE, PING))?.http1_only())),
        Version::Http2 => ClientSlot::new(|| build(builder(&[], limits(IDLE, PING))?.http2_prior_knowledge())),
    };
    (slot, HalfOpenServer::start(version).await)
}

async fn send(attempt: Attempt<'_>, url: &str) -> Result<String> {
    let body = async { attempt.client().get(url).send().await?.text().await }.await;
    attempt.completed();
    body.map_err(Error::from)
}

/// The number of the connection that a request is answered on.
async fn connection(slot: &ClientSlot, server: &HalfOpenServer) -> String {
    let attempt = slot.attempt(&server.url).expect("a client");
    timeout(FAILSAFE, send(attempt, &server.url)).await.expect("in time").expect("an answer")
}

#[tokio::test]
async fn a_call_after_a_pause_does_not_meet_a_connection_that_was_forgotten() {
    for version in [Version::Http1, Version::Http2] {
        let (slot, server) = slot::<SHORT, HOUR>(version).await;
        assert_eq!(connection(&slot, &server).await, "0", "{version:?}");
        server.stop_reading();
        tokio::time::sleep(Duration::from_millis(SHORT * 2)).await;
        assert_eq!(connection(&slot, &server).await, "1", "{version:?}");
    }
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    for version in [Version::Http1, Version::Http2] {
        let (slot, server) = slot::<HOUR, HOUR>(version).await;
        for _ in 0..5 {
            assert_eq!(connection(&slot, &server).await, "0", "{version:?}");
        }
        assert_eq!(server.opened(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn a_process_that_was_frozen_meets_no_dead_connection() {
    for version in [Version::Http1, Version::Http2] {
        let (slot, server) = slot::<HOUR, HOUR>(version).await;
        assert_eq!(connection(&slot, &server).await, "0", "{version:?}");
        server.stop_reading();
        slot.set_last_used(SuspendAwareInstant::suspended_for(Duration::from_secs(600)));
        assert_eq!(connection(&slot, &server).await, "1", "{version:?}");
        assert_eq!(connection(&slot, &server).await, "1", "{version:?}, and keeps what it has then");
    }
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_was_the_last_on_its_connection() {
    let (slot, server) = slot::<HOUR, HOUR>(Version::Http2).await;
    assert_eq!(connection(&slot, &server).await, "0");
    server.stop_reading();
    // An attempt that was dropped early says nothing of the connection; one that had its time does.
    for (time_out, waited) in [(HOUR, SHORT), (SHORT * 2, SHORT * 2)] {
        let attempt = slot.attempt(&server.url).expect("a client").with_time_out(Duration::from_millis(time_out));
        assert!(timeout(Duration::from_millis(waited), send(attempt, &server.url)).await.is_err());
        assert_eq!(server.opened(), 1);
    }
    assert_eq!(connection(&slot, &server).await, "1");
}

#[tokio::test]
async fn a_connection_of_http_2_that_dies_amid_a_request_is_found_dead_by_a_ping() {
    let (slot, server) = slot::<HOUR, SHORT>(Version::Http2).await;
    assert_eq!(connection(&slot, &server).await, "0");
    server.stop_reading();
    let failed =
        timeout(FAILSAFE, send(slot.attempt(&server.url).expect("a client"), &server.url)).await.expect("in time");
    let error = failed.expect_err("dead");
    assert!(matches!(error.kind(), Kind::Connection | Kind::Timeout), "{error:?}");
    assert_eq!(connection(&slot, &server).await, "1");
}
