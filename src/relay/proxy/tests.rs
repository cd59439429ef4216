//! What the proxy sends in a viewer's place, and with whose token.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};

use super::requests::{feed_request_headers, stream_request_headers, with_skipped};
use crate::config::Endpoint;
use crate::relay::feed::tests::options;
use crate::relay::options::{Limits, Options};
use crate::relay::relay::Relay;
use crate::relay::upstream::tests::Server;
use crate::secret::Secret;
use crate::serve::{self, Body};

const OWN: &str = "tr_dev_1234567890";

fn asked(query: &str, headers: &[(&'static str, &'static str)]) -> serve::Request {
    let headers = headers.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
    serve::Request { method: Method::GET, headers: headers.collect(), query: Some(query.into()), origin: String::new() }
}

fn endpoint() -> Endpoint {
    Endpoint::new("http://a.b", OWN, Some("feature")).expect("an endpoint")
}

/// The headers whose names are among these, as `name: value`.
fn told(headers: &HeaderMap, names: &[&str]) -> Vec<String> {
    let values = names.iter().filter_map(|name| Some((name, headers.get(*name)?.to_str().ok()?)));
    values.map(|(name, value)| format!("{name}: {value}")).collect()
}

#[test]
fn a_feed_is_asked_for_with_the_versions_that_the_viewer_named() {
    let names = ["authorization", "x-trigger-electric-version", "x-trigger-api-version", "accept-encoding"];
    let token = Secret::new("a.b.c");
    let plain = feed_request_headers(&asked("", &[]), &endpoint(), &token).expect("headers");
    assert_eq!(told(&plain, &names), ["authorization: Bearer a.b.c", "accept-encoding: identity"]);
    let named = [("x-trigger-electric-version", "9"), ("x-trigger-api-version", "9"), ("accept-encoding", "gzip, br")];
    let named = feed_request_headers(&asked("", &named), &endpoint(), &token).expect("headers");
    let of_relay = told(&crate::http::feed_headers(&endpoint()).expect("headers"), &names[1..3]);
    assert_eq!(told(&named, &names[1..3]), of_relay, "the relay's own, which it can read");
    assert_eq!(of_relay.len(), 2);
    assert_eq!(told(&named, &names[3..]), ["accept-encoding: gzip"]);
    assert!(feed_request_headers(&asked("", &[]), &endpoint(), &Secret::new("a\nb")).is_none());
}

#[test]
fn a_stream_is_asked_for_from_where_the_viewer_stands() {
    let names = ["authorization", "accept", "timeout-seconds", "last-event-id", "x-trigger-branch"];
    let token = Secret::new("a.b.c");
    let whole = stream_request_headers(&endpoint(), &token, None, None).expect("headers");
    let always = ["authorization: Bearer a.b.c", "accept: text/event-stream", "x-trigger-branch: feature"];
    assert_eq!(told(&whole, &names), always);
    let wait = Some(Duration::from_secs(90));
    let rest = stream_request_headers(&endpoint(), &token, wait, Some("7-1")).expect("headers");
    assert_eq!(told(&rest, &names[2..4]), ["timeout-seconds: 90", "last-event-id: 7-1"]);
    assert!(stream_request_headers(&endpoint(), &token, None, Some("7\n1")).is_none());
    assert!(stream_request_headers(&endpoint(), &Secret::new("a\nb"), None, None).is_none());
}

#[test]
fn the_columns_that_a_token_skips_are_skipped_beside_those_that_its_viewer_skips() {
    let skipped = |query, own: &[&str]| {
        with_skipped(&asked(query, &[]), &own.iter().map(|&one| one.to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(skipped("offset=-1", &[]), "offset=-1");
    assert_eq!(skipped("skipColumns=output&offset=-1", &["payload"]), "offset=-1&skipColumns=payload%2Coutput");
    assert_eq!(skipped("skipColumns=output&skipColumns=", &["payload"]), "skipColumns=payload");
    assert_eq!(skipped("skipColumns=,a,,b", &[]), "skipColumns=a%2Cb");
    assert_eq!(skipped("tags=a+b%26", &["payload"]), "tags=a+b%26&skipColumns=payload");
}

/// Sends a request with this body through a relay.
async fn through(options: Options, request: http::request::Builder, body: &'static str) -> http::Response<Body> {
    let body = Full::new(Bytes::from_static(body.as_bytes())).map_err(|never| match never {}).boxed_unsync();
    Relay::new(options).respond(request.body(body).expect("a request"), None).await
}

#[tokio::test]
async fn what_only_the_server_can_answer_is_passed_on_with_the_viewers_own_token() {
    let mut server = Server::start(200).await;
    let post = Request::post("http://relay/api/v1/tasks/a%20b/trigger?x=1").header("authorization", "a.b.c");
    let answer = through(options(&server.url, OWN), post, "{\"payload\":1}").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.expect("whole").to_bytes();
    assert_eq!(&body[..], b"{\"payload\":1}", "the server's answer, which is the request's body");
    let seen = server.next().await;
    assert_eq!(seen.path, "/api/v1/tasks/a%20b/trigger?x=1");
    assert_eq!(seen.headers["authorization"], "Bearer a.b.c");
}

#[tokio::test]
async fn a_request_without_a_token_of_its_own_goes_nowhere() {
    let mut server = Server::start(200).await;
    for authorization in [None, Some(""), Some("Bearer "), Some("Basic a"), Some("Bearer a, Bearer b")] {
        let mut post = Request::post("http://relay/api/v1/tasks/a/trigger");
        if let Some(authorization) = authorization {
            post = post.header("authorization", authorization);
        }
        let answer = through(options(&server.url, OWN), post, "{}").await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{authorization:?}");
    }
    assert_eq!(server.more(), 0, "and never with the relay's key");
}

#[tokio::test]
async fn the_body_of_a_get_is_not_sent_and_one_beyond_the_limit_neither() {
    let mut server = Server::start(200).await;
    let get = Request::get("http://relay/api/v3/runs/run_1").header("authorization", "a.b.c");
    let answer = through(options(&server.url, OWN), get, "GET /smuggled HTTP/1.1").await;
    assert_eq!(answer.into_body().collect().await.expect("whole").to_bytes().len(), 0);
    assert!(!server.next().await.headers.contains_key("content-length"));
    let limits = Limits { body_bytes: 4, ..Limits::default() };
    for (body, status) in [("1234", StatusCode::OK), ("12345", StatusCode::PAYLOAD_TOO_LARGE)] {
        let post = Request::post("http://relay/api/v1/tasks/a/trigger").header("authorization", "a.b.c");
        let answer = through(Options { limits, ..options(&server.url, OWN) }, post, body).await;
        assert_eq!(answer.status(), status);
    }
}
