//! What answers of polls can be: compressed, elsewhere, broken off.

mod line_support;

use std::io::Write as _;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use line_support::{FAILSAFE, HTTP1, PATIENT, Server, full, http2, line, text};
use tokio::time::timeout;
use trigger_native::error::ErrorCode;
use trigger_native::http::{Line, Polled};

async fn poll(line: &mut Line, path: &str) -> Polled {
    timeout(FAILSAFE, line.poll(path, PATIENT)).await.expect("in time").expect("a request")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("written");
    encoder.finish().expect("finished")
}

#[tokio::test]
async fn compressed_answers_are_read_and_broken_ones_are_failures_that_pass() {
    let long = "a row of a run, ".repeat(50_000);
    for manner in [http2(10), HTTP1] {
        let body = long.clone();
        let server = Server::start(manner, move |_, request: Request<Incoming>| {
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
        let mut line = line(&server.url());
        for path in ["/gzip", "/zstd", "/plain"] {
            assert_eq!(text(poll(&mut line, path).await), long, "{path}");
        }
        let polled = poll(&mut line, "/cut").await;
        assert!(matches!(&polled, Polled::Cut(error) if error.code() == ErrorCode::Protocol), "{polled:?}");
        assert_eq!(text(poll(&mut line, "/gzip").await), long);
        assert_eq!(server.load().open.len(), 1, "all on one connection");
    }
}

#[tokio::test]
async fn a_feed_that_moved_is_followed_and_takes_its_key_along_on_the_same_server_alone() {
    for manner in [http2(10), HTTP1] {
        let other = Server::start(manner, |_, request: Request<Incoming>| async move {
            Response::new(full(format!("{:?}", request.headers().get("authorization"))))
        })
        .await;
        let elsewhere = format!("{}/new", other.url());
        let server = Server::start(manner, move |_, request: Request<Incoming>| {
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
        let mut line = line(&format!("{}/p", server.url()));
        assert_eq!(text(poll(&mut line, "/old").await), "/p/new true");
        assert_eq!(text(poll(&mut line, "/away").await), "None");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_key_does_not_show_it() {
    for manner in [http2(10), HTTP1] {
        let server = Server::start(manner, |_, request: Request<Incoming>| async move {
            let key = request.headers()["authorization"].to_str().expect("text").to_owned();
            Response::builder().status(403).header("x-echo", &key).body(full(key)).expect("an answer")
        })
        .await;
        let Polled::Answer { status, headers, body } = poll(&mut line(&server.url()), "/").await else {
            panic!("an answer")
        };
        assert_eq!(
            (status, &headers["x-echo"], &body[..]),
            (403, &"Bearer (secret)".parse().expect("text"), &b"Bearer (secret)"[..])
        );
    }
}
