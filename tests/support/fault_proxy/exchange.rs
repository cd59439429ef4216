//! One request and its answer: what the rules say of it happens here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::response::Parts;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::cache::Whole;
use super::encode;
use super::frames;
use super::proxy::Shared;
use super::responder::{Gone, Responder};
use super::rule::{Action, How};
use super::upstream::{self, Ask};

/// Answers `ask`.
pub async fn run(shared: &Arc<Shared>, ask: &Ask, to: &mut impl Responder) -> Result<(), Gone> {
    let line = ask.line();
    let mut action = shared.take(&line, false);
    match &action {
        Some(Action::Status { forward: false, .. }) => return make(action.as_ref(), to).await,
        Some(Action::Break { at: None, how, forward: false }) => return break_off(*how, to).await,
        _ => {}
    }
    let mut cut = std::pin::pin!(shared.cut());
    let answer = tokio::select! {
        answer = upstream::send(shared.server(), ask) => answer,
        () = to.gone() => return Err(Gone),
        () = cut.as_mut() => return break_off(How::Reset, to).await,
    };
    // A server that is gone closes the connection, as it would without a proxy.
    let Some(answer) = answer else { return break_off(How::Close, to).await };
    if action.is_none() {
        action = shared.take(&line, false);
    }
    let (head, body) = answer.into_parts();
    match action {
        Some(Action::Status { .. }) => make(action.as_ref(), to).await,
        Some(Action::Break { at: None, how, .. }) => break_off(how, to).await,
        Some(Action::Break { at: Some(at), how, .. }) if matches!(how, How::Reset | How::Close | How::Stall) => {
            to.wire().break_after(at, how);
            pass(shared, &line, head, body, to, None).await
        }
        Some(Action::Break { at: Some(at), how, .. }) => pass(shared, &line, head, body, to, Some((at, how))).await,
        Some(Action::Delay { ms }) => {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(ms)) => {}
                () = to.gone() => return Err(Gone),
            }
            pass(shared, &line, head, body, to, None).await
        }
        Some(Action::Drip { bytes, every_ms }) => {
            to.wire().drip(Some((bytes, Duration::from_millis(every_ms))));
            let passed = pass(shared, &line, head, body, to, None).await;
            to.wire().drip(None);
            passed
        }
        Some(Action::Encode { encoding, cut }) => encoded(head, body, &encoding, cut, to).await,
        Some(Action::Repeat { first }) => {
            let cached = shared.cached(&ask.path, first);
            match cached {
                Some(Whole { head, body }) => whole(head, body, to).await,
                None => pass(shared, &line, head, body, to, None).await,
            }
        }
        Some(Action::Settings { streams }) => {
            to.wire().inject(frames::settings(streams));
            pass(shared, &line, head, body, to, None).await
        }
        Some(Action::GoAway) => {
            to.go_away();
            pass(shared, &line, head, body, to, None).await
        }
        None => pass(shared, &line, head, body, to, None).await,
    }
}

/// Answers with what a rule says.
async fn make(action: Option<&Action>, to: &mut impl Responder) -> Result<(), Gone> {
    let Some(Action::Status { status, headers, body, .. }) = action else { return Ok(()) };
    let mut response = http::Response::builder().status(*status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let (head, ()) = response.body(()).expect("a head").into_parts();
    whole(head, Bytes::from(body.clone()), to).await
}

async fn break_off(how: How, to: &mut impl Responder) -> Result<(), Gone> {
    match how {
        How::Reset | How::Close | How::Stall => to.wire().end(how),
        How::Hang | How::End => {}
        How::Stream | How::Refused | How::GoAway => to.break_off(how),
    }
    if how == How::Refused || how == How::Stream {
        return Ok(());
    }
    to.gone().await;
    Err(Gone)
}

async fn whole(mut head: Parts, body: Bytes, to: &mut impl Responder) -> Result<(), Gone> {
    head.headers.insert("content-length", HeaderValue::from(body.len()));
    to.head(head).await?;
    if !body.is_empty() {
        to.data(body).await?;
    }
    to.end().await
}

/// The server's answer as it comes. `broken`: it breaks off after so many bytes of its body.
async fn pass(
    shared: &Arc<Shared>,
    line: &str,
    head: Parts,
    mut body: Incoming,
    to: &mut impl Responder,
    mut broken: Option<(usize, How)>,
) -> Result<(), Gone> {
    let is_stream =
        head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut head = Some(head);
    let mut kept = (!is_stream && broken.is_none()).then(Vec::new);
    let original = head.clone();
    if let (Some((_, How::End)), Some(head)) = (&broken, &mut head) {
        head.headers.remove("content-length");
    }
    to.head(head.take().expect("not sent yet")).await?;
    let mut cut = std::pin::pin!(shared.cut());
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = to.gone() => return Err(Gone),
            () = cut.as_mut() => return break_off(How::Reset, to).await,
        };
        let Some(frame) = frame else { break };
        // A server that breaks off does so for the client, too.
        let Ok(frame) = frame else { return break_off(How::Reset, to).await };
        let Ok(mut bytes) = frame.into_data() else { continue };
        if is_stream && broken.is_none() {
            match shared.take(line, true) {
                Some(Action::Break { at, how, .. }) if matches!(how, How::Reset | How::Close | How::Stall) => {
                    to.wire().break_after(at.unwrap_or(0), how);
                }
                Some(Action::Break { at, how, .. }) => broken = Some((at.unwrap_or(0), how)),
                Some(Action::Delay { ms }) => tokio::time::sleep(Duration::from_millis(ms)).await,
                Some(Action::Drip { bytes, every_ms }) => {
                    to.wire().drip(Some((bytes, Duration::from_millis(every_ms))));
                }
                _ => {}
            }
        }
        if let Some((left, how)) = &mut broken {
            if bytes.len() >= *left {
                to.data(bytes.split_to(*left)).await?;
                if *how == How::End {
                    return to.end().await;
                }
                return break_off(*how, to).await;
            }
            *left -= bytes.len();
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&bytes);
        }
        to.data(bytes).await?;
    }
    if let (Some(kept), Some(head)) = (kept, original) {
        shared.keep(line, &Whole { head, body: kept.into() });
    }
    to.end().await
}

/// The body compressed, without its end. Of a stream the part that comes first, so that its end need not be waited for.
async fn encoded(
    mut head: Parts,
    mut body: Incoming,
    encoding: &str,
    cut: usize,
    to: &mut impl Responder,
) -> Result<(), Gone> {
    let is_stream =
        head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let mut all = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        all.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if is_stream && !all.is_empty() {
            break;
        }
    }
    head.headers.insert("content-encoding", HeaderValue::from_str(encoding).expect("a name"));
    whole(head, encode::cut(encoding, &all, cut).into(), to).await
}
