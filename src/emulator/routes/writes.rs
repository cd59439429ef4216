//! `PUT`, `POST`, `HEAD /realtime/v1/streams/{id}/{target}/{key}` and `…/append`: writes of a run to its stream
//! (recorded: `stream-write-v1`, `stream-write-v2`).

use std::sync::Arc;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::Context;
use crate::emulator::access::Refusal;
use crate::emulator::ident;
use crate::emulator::run::Run;
use crate::serve::Response;
use crate::serve::stream::{Log, StreamName, StreamVersion};
use crate::serve::{Request, RequestBody, read_body_up_to};

/// The most bytes of one append.
const APPEND_BYTES: u64 = 512 * 1024;
/// The most bytes of one line.
const LINE_BYTES: usize = 10 << 20;

/// The stream that a run writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'c> {
    /// The run that writes.
    run: &'c str,
    /// The owner of the stream: `self`, `parent` or `root`.
    owner: &'c str,
    /// The stream's key.
    key: &'c str,
}

impl<'c> Target<'c> {
    /// The target that the parameters of a path name.
    pub(super) fn of(parameters: &'c [String]) -> Self {
        let at = |index: usize| parameters.get(index).map_or("", String::as_str);
        Self { run: at(0), owner: at(1), key: at(2) }
    }
}

/// Announces a stream (`PUT`), appends lines to it (`POST`), or reports the last chunk of a writer (`HEAD`).
pub(super) async fn handle(
    context: &Context,
    request: &Request,
    target: Target<'_>,
    incoming: RequestBody,
) -> Response {
    let run = match writer(context, request, target) {
        Ok(run) => run,
        Err(answer) => return answer,
    };
    let log = run.stream(StreamName::Output(target.key.to_owned()));
    let client = request.header("x-client-id").unwrap_or("default");
    match request.method {
        Method::PUT => {
            if run.is_over() {
                return over("Cannot initialize a realtime stream on a completed run");
            }
            run.announce(context.engine.now_ms(), target.key);
            announced(context, request, &run, target.key)
        }
        Method::HEAD => {
            // A writer without chunks is at -1, the index before the first.
            let last = log.last_chunk(client).map_or_else(|| "-1".into(), |last| last.to_string());
            Response::empty(StatusCode::OK).with("x-last-chunk-index", &last)
        }
        Method::POST => {
            run.announce(context.engine.now_ms(), target.key);
            match write(context, &run, &log, client, incoming).await {
                Ok(()) => Response::empty(StatusCode::OK),
                Err(answer) => answer,
            }
        }
        _ => Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// Appends one text to a stream.
pub(super) async fn append(
    context: &Context,
    request: &Request,
    target: Target<'_>,
    incoming: RequestBody,
) -> Response {
    if request.method != Method::POST {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let run = match writer(context, request, target) {
        Ok(run) => run,
        Err(answer) => return answer,
    };
    let Ok(bytes) = read_body_up_to(incoming, APPEND_BYTES).await else {
        return Response::error(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large");
    };
    if run.is_over() {
        return over("Cannot append to a realtime stream on a completed run");
    }
    let text = Value::from(String::from_utf8_lossy(&bytes).into_owned());
    let now = context.engine.now_ms();
    run.announce(now, target.key);
    let log = run.stream(StreamName::Output(target.key.to_owned()));
    match run.streams {
        StreamVersion::V1 => log.append_lines(now, text.to_string()),
        StreamVersion::V2 => {
            let id = request.header("x-part-id").map_or_else(ident::part_id, str::to_owned);
            log.append_value(now, &text, &id);
        }
    }
    Response::json(StatusCode::OK, json!({ "ok": true }).to_string())
}

/// The run whose stream the caller writes. Public tokens are refused.
fn writer(context: &Context, request: &Request, target: Target<'_>) -> Result<Arc<Run>, Response> {
    let caller = request
        .caller(context)
        .ok()
        .filter(|caller| !caller.is_public())
        .ok_or_else(|| Response::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text()))?;
    let run = context.engine.store.find(target.run).filter(|run| run.environment == caller.index);
    match run {
        // Runs here have no parents.
        Some(run) if target.owner == "self" => Ok(run),
        Some(_) => Err(Response::text(StatusCode::NOT_FOUND, "Target not found")),
        None => Err(Response::text(StatusCode::NOT_FOUND, "Run not found")),
    }
}

fn over(why: &'static str) -> Response {
    Response::text(StatusCode::BAD_REQUEST, why)
}

fn announced(context: &Context, request: &Request, run: &Run, key: &str) -> Response {
    let answer = Response::json(StatusCode::ACCEPTED, json!({ "version": run.streams.name() }).to_string());
    match run.streams {
        StreamVersion::V1 => answer,
        // The store that the official worker writes to. The emulator does not answer there: `…/append` takes writes.
        StreamVersion::V2 => {
            let environment = &context.engine.environments[run.environment];
            let name =
                format!("org/org_emulator/env/{}/{}/runs/{}/{key}", environment.slug(), environment.id, run.id());
            answer
                .with("x-s2-access-token", "s2-skip-access-tokens")
                .with("x-s2-basin", "trigger-local")
                .with("x-s2-endpoint", &format!("{}/v1", request.origin))
                .with("x-s2-flush-interval-ms", "100")
                .with("x-s2-max-retries", "10")
                .with("x-s2-stream-name", &name)
        }
    }
}

/// Appends the lines of a body while they arrive. The lines of one part share an id, v1.
async fn write(
    context: &Context,
    run: &Run,
    log: &Log,
    client: &str,
    mut incoming: RequestBody,
) -> Result<(), Response> {
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let frame = match incoming.frame().await {
            Some(Ok(frame)) => frame,
            Some(Err(_)) => return Err(Response::api_error(StatusCode::BAD_REQUEST, "The request body broke off")),
            None => break,
        };
        let Ok(data) = frame.into_data() else { continue };
        rest.extend_from_slice(&data);
        if let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') {
            let lines: Vec<u8> = rest.drain(..=end).collect();
            put(context, run, log, client, &lines);
        } else if rest.len() > LINE_BYTES {
            return Err(Response::error(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"));
        }
    }
    if !rest.is_empty() {
        put(context, run, log, client, &rest);
    }
    Ok(())
}

fn put(context: &Context, run: &Run, log: &Log, client: &str, lines: &[u8]) {
    let (now, lines) = (context.engine.now_ms(), String::from_utf8_lossy(lines));
    log.count_chunk(client);
    match run.streams {
        StreamVersion::V1 => log.append_lines(now, lines.into_owned()),
        StreamVersion::V2 => {
            for line in lines.lines().filter(|line| !line.is_empty()) {
                let data = serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
                log.append_value(now, &data, &ident::part_id());
            }
        }
    }
}
