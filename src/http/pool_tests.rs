use std::time::Duration;

use tokio::time::timeout;

use super::{Attempt, Pool};
use crate::error::{Error, Kind, Result};
use crate::http::client::{Limits, build, builder};
use crate::http::half_open::{HalfOpen, Version};
use crate::http::since::Since;

const HOUR: Duration = Duration::from_secs(3_600);
const FAILSAFE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

fn client(version: Version, limits: Limits) -> Result<reqwest::Client> {
    let builder = builder(&[], limits)?;
    build(if version == Version::Http2 { builder.http2_prior_knowledge() } else { builder.http1_only() })
}

async fn send(attempt: Attempt<'_>, url: &str) -> Result<String> {
    let answer = async { attempt.client().get(url).send().await?.text().await }.await;
    attempt.heard();
    answer.map_err(Error::from)
}

/// Which connection a request is answered on.
async fn asked(pool: &Pool, server: &HalfOpen) -> String {
    let attempt = pool.attempt(&server.url).expect("a client");
    timeout(FAILSAFE, send(attempt, &server.url)).await.expect("in time").expect("an answer")
}

#[tokio::test]
async fn a_call_after_a_pause_does_not_meet_a_connection_that_was_forgotten() {
    const LIMITS: Limits = Limits { idle: SHORT, ping_after: HOUR, ping_timeout: HOUR };
    let pools = [
        (Version::Http1, Pool::new(|| client(Version::Http1, LIMITS))),
        (Version::Http2, Pool::new(|| client(Version::Http2, LIMITS))),
    ];
    for (version, pool) in pools {
        let server = HalfOpen::start(version).await;
        assert_eq!(asked(&pool, &server).await, "0", "{version:?}");
        server.forget();
        tokio::time::sleep(SHORT * 2).await;
        assert_eq!(asked(&pool, &server).await, "1", "{version:?}");
    }
}

#[tokio::test]
async fn calls_one_after_another_share_a_connection() {
    const LIMITS: Limits = Limits { idle: HOUR, ping_after: HOUR, ping_timeout: HOUR };
    let pools = [
        (Version::Http1, Pool::new(|| client(Version::Http1, LIMITS))),
        (Version::Http2, Pool::new(|| client(Version::Http2, LIMITS))),
    ];
    for (version, pool) in pools {
        let server = HalfOpen::start(version).await;
        for _ in 0..5 {
            assert_eq!(asked(&pool, &server).await, "0", "{version:?}");
        }
        assert_eq!(server.opened(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn a_process_that_was_frozen_meets_no_dead_connection() {
    const LIMITS: Limits = Limits { idle: HOUR, ping_after: HOUR, ping_timeout: HOUR };
    let pools = [
        (Version::Http1, Pool::new(|| client(Version::Http1, LIMITS))),
        (Version::Http2, Pool::new(|| client(Version::Http2, LIMITS))),
    ];
    for (version, pool) in pools {
        let server = HalfOpen::start(version).await;
        assert_eq!(asked(&pool, &server).await, "0", "{version:?}");
        server.forget();
        pool.used(Since::frozen_for(Duration::from_secs(600)));
        assert_eq!(asked(&pool, &server).await, "1", "{version:?}");
        assert_eq!(asked(&pool, &server).await, "1", "{version:?}, and keeps what it has then");
    }
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_was_the_last_on_its_connection() {
    const LIMITS: Limits = Limits { idle: HOUR, ping_after: HOUR, ping_timeout: HOUR };
    let pool = Pool::new(|| client(Version::Http2, LIMITS));
    let server = HalfOpen::start(Version::Http2).await;
    assert_eq!(asked(&pool, &server).await, "0");
    server.forget();
    // One that was dropped early says nothing of the connection; one that had its time does.
    for (allowed, waited) in [(HOUR, SHORT), (SHORT * 2, SHORT * 2)] {
        let attempt = pool.attempt(&server.url).expect("a client").within(allowed);
        assert!(timeout(waited, send(attempt, &server.url)).await.is_err());
        assert_eq!(server.opened(), 1);
    }
    assert_eq!(asked(&pool, &server).await, "1");
}

#[tokio::test]
async fn a_connection_of_http_2_that_dies_amid_a_request_is_found_dead_by_a_ping() {
    const LIMITS: Limits = Limits { idle: HOUR, ping_after: SHORT, ping_timeout: SHORT };
    let pool = Pool::new(|| client(Version::Http2, LIMITS));
    let server = HalfOpen::start(Version::Http2).await;
    assert_eq!(asked(&pool, &server).await, "0");
    server.forget();
    let failed =
        timeout(FAILSAFE, send(pool.attempt(&server.url).expect("a client"), &server.url)).await.expect("in time");
    let error = failed.expect_err("dead");
    assert!(matches!(error.kind(), Kind::Connection | Kind::Timeout), "{error:?}");
    assert_eq!(asked(&pool, &server).await, "1");
}
