//! Responses to polls that are compressed, redirected or cut.

mod pool_support;

use std::io::Write as _;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use pool_support::{FAILSAFE, HTTP1, SILENCE, Server, client, full, http2, text};
use tokio::time::timeout;
use trigger_native::error::ErrorCode;
use trigger_native::http::{LongPollClient, PollOutcome};

async fn poll(client: &mut LongPollClient, path: &str) -> PollOutcome {
    timeout(FAILSAFE, client.poll(path, SILENCE)).await.expect("in time").expect("a request")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

#[tokio::test]
async fn compressed_answers_are_read_and_broken_ones_are_failures_that_pass() {
    let long = "a row of a run, ".repeat(50_000);
    for server_options in [http2(10), HTTP1] {
        let body = long.clone();
        let server = Server::start(server_options, move |_, request: Request<Incoming>| {
            let path = request.uri().path().to_owned();
            let (encoding, body) = match path.as_str() {
                "/gzip" => ("gzip", gzip(&body)),
                "/zstd" => ("zstd", zstd::encode_all(body.as_bytes(), 3).expect("encoded")),
                "/cut" => ("gzip", gzip(&body)[..1_000].to_vec()),
                _ => ("identity", body.clone().into_bytes()),
            };
            async move { Response::builder().header("content-encoding", encoding).body(full(body)).expect("an answer") }
        })
        .await;
        let mut client = client(&server.url());
        for path in ["/gzip", "/zstd", "/plain"] {
            assert_eq!(text(poll(&mut client, path).await), long, "{path}");
        }
        let polled = poll(&mut client, "/cut").await;
        assert!(matches!(&polled, PollOutcome::Cut(error) if error.code() == ErrorCode::Protocol), "{polled:?}");
        assert_eq!(text(poll(&mut client, "/gzip").await), long);
        assert_eq!(server.load().open.len(), 1, "all on one connection");
    }
}

#[tokio::test]
async fn a_feed_that_moved_is_followed_and_takes_its_key_along_on_the_same_server_alone() {
    for server_options in [http2(10), HTTP1] {
        let other = Server::start(server_options, |_, request: Request<Incoming>| async move {
            Response::new(full(format!("{:?}", request.headers().get("authorization"))))
        })
        .await;
        let elsewhere = format!("{}/new", other.url());
        let server = Server::start(server_options, move |_, request: Request<Incoming>| {
            let location = match request.uri().path() {
                "/p/old" => Some("/p/new?offset=-1".to_owned()),
                "/p/away" => Some(elsewhere.clone()),
                _ => None,
            };
            async move {
                let key = request.headers().contains_key("authorization");
                match location {
                    Some(to) => Response::builder()
                        .status(StatusCode::MOVED_PERMANENTLY)
                        .header("location", to)
                        .body(full("moved"))
                        .expect("an answer"),
                    None => Response::new(full(format!("{} {key}", request.uri().path()))),
                }
            }
        })
        .await;
        let mut client = client(&format!("{}/p", server.url()));
        assert_eq!(text(poll(&mut client, "/old").await), "/p/new true");
        assert_eq!(text(poll(&mut client, "/away").await), "None");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_key_does_not_show_it() {
    for server_options in [http2(10), HTTP1] {
        let server = Server::start(server_options, |_, request: Request<Incoming>| async move {
            let key = request.headers()["authorization"].to_str().expect("text").to_owned();
            Response::builder().status(403).header("x-echo", &key).body(full(key)).expect("an answer")
        })
        .await;
        let PollOutcome::Response { status, headers, body } = poll(&mut client(&server.url()), "/").await else {
            panic!("an answer")
        };
        assert_eq!(
            (status, &headers["x-echo"], &body[..]),
            (403, &"Bearer (secret)".parse().expect("text"), &b"Bearer (secret)"[..])
        );
    }
}
