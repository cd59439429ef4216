//! From a request to its answer: the counts, the faults, the handler.

use std::io;

use http::{Method, StatusCode};

use super::route::{Control, Route};
use super::{
    Context, Label, batch, batch_items, cancel, claims, control, control_engine, control_fixtures, control_page, feed,
    group, input, objects, packets, page_files, public_tokens, replay, reschedule, result, retrieve, runs, streams,
    token_list, tokens, trigger, writes,
};
use crate::emulator::fault::Fault;
use crate::error::Error;
use crate::serve::Request;
use crate::serve::stream::StreamName;
use crate::serve::{Body, RequestBody, Response};

/// Answers one request.
///
/// # Errors
/// A fault switched on by a test, which ends the connection.
pub(in super::super) async fn respond(
    context: &Context,
    request: hyper::Request<RequestBody>,
) -> io::Result<http::Response<Body>> {
    let (head, body) = request.into_parts();
    let host = head
        .uri
        .authority()
        .map(ToString::to_string)
        .or_else(|| head.headers.get("host").and_then(|host| host.to_str().ok()).map(str::to_owned));
    let request = Request {
        method: head.method,
        headers: head.headers,
        query: head.uri.query().map(str::to_owned),
        origin: format!("http://{}", host.as_deref().unwrap_or("127.0.0.1")),
    };
    let path = head.uri.path();
    let answer = if let Some(trimmed) = trimmed(path) {
        context.stats.count(Label::Unknown);
        Response::moved(&head.uri.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}")))
    } else if let Some(route) = Route::find(path) {
        let label = if request.method == Method::OPTIONS {
            Label::Preflight
        } else {
            route.label(request.method == Method::POST)
        };
        context.stats.count(label);
        let fault = if label.is_control() { None } else { context.faults.take(label.text()) };
        let answer = respond_with_fault(context, &request, path, route, body, fault).await?;
        answer.unwrap_or_else(|error| internal_error(&error))
    } else {
        context.stats.count(Label::Unknown);
        Response::not_found()
    };
    Ok(answer.into_http(&request.headers, head.version))
}

/// Answers, with what goes wrong on purpose.
async fn respond_with_fault(
    context: &Context,
    request: &Request,
    path: &str,
    route: Route,
    body: RequestBody,
    fault: Option<Fault>,
) -> io::Result<Result<Response, Error>> {
    Ok(match fault {
        None => handle(context, request, path, route, body).await,
        Some(Fault::Drop) => return Err(io::Error::other("dropped on purpose")),
        Some(Fault::Cut(bytes)) => handle(context, request, path, route, body).await.map(|answer| answer.cut(bytes)),
        Some(Fault::Delay(delay)) => {
            // Stopping ends the wait.
            context.stop.run_until_cancelled(tokio::time::sleep(delay)).await;
            handle(context, request, path, route, body).await
        }
        Some(Fault::Status(status, retry_after)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let answer = Response::api_error(status, status.canonical_reason().unwrap_or("Error"));
            Ok(match retry_after {
                Some(seconds) => answer.with("retry-after", &seconds.to_string()),
                None => answer,
            })
        }
        Some(Fault::MustRefetch) => match (&route, request.parameter("handle")) {
            (Route::Feed(_) | Route::TagFeed | Route::BatchFeed(_), Some(handle)) => {
                Ok(Response::must_refetch(&handle))
            }
            _ => handle(context, request, path, route, body).await,
        },
    })
}

/// A path without its trailing slash, where it has one. `//x` stays: as a location it would be
/// another host.
fn trimmed(path: &str) -> Option<&str> {
    path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.starts_with("//") && !rest.ends_with('/'))
}

async fn handle(
    context: &Context,
    request: &Request,
    path: &str,
    route: Route,
    body: RequestBody,
) -> Result<Response, Error> {
    match route {
        Route::Claims => Ok(claims::handle(context, request)),
        Route::PublicTokens => public_tokens::handle(context, request, body).await,
        Route::Trigger(task) => trigger::handle(context, request, &task, body).await,
        Route::Retrieve(id) => retrieve::handle(context, request, &id),
        Route::Cancel(id) => Ok(cancel::handle(context, request, &id)),
        Route::Feed(id) => Ok(feed::handle(context, request, &id).await),
        Route::TagFeed => Ok(group::tags(context, request).await),
        Route::BatchFeed(id) => Ok(group::batch(context, request, &id).await),
        Route::Stream(id, StreamName::Input(key)) if request.method == Method::POST => {
            Ok(input::send(context, request, &id, key, body).await)
        }
        Route::Stream(id, name) => Ok(streams::read(context, request, &id, name)),
        Route::StreamWrite(target) => Ok(writes::handle(context, request, &target, body).await),
        Route::StreamAppend(target) => Ok(writes::append(context, request, &target, body).await),
        Route::List => Ok(runs::list(context, request)),
        Route::Replay(id) => Ok(replay::handle(context, request, &id)),
        Route::Reschedule(id) => reschedule::handle(context, request, &id, body).await,
        Route::RunResult(id) => Ok(result::handle(context, request, &id)),
        Route::BatchCreate => batch::create(context, request, body).await,
        Route::BatchItems(id) => Ok(batch_items::handle(context, request, &id, body).await),
        Route::BatchRetrieve(id, version) => Ok(batch::retrieve(context, request, &id, version)),
        Route::Metadata(id) => Ok(retrieve::metadata(context, request, &id)),
        Route::BatchResults(id) => Ok(batch::results(context, request, &id)),
        Route::Tokens if request.method == Method::POST => tokens::create(context, request, body).await,
        Route::Tokens => token_list::handle(context, request),
        Route::Token(id) => tokens::retrieve(context, request, &id),
        Route::TokenComplete(id) => Ok(tokens::complete(context, request, &id, body).await),
        Route::TokenCallback(id, hash) => tokens::callback(context, request, &id, &hash, body).await,
        Route::PacketUpload(name) => packets::upload(context, request, &name),
        Route::PacketUrl(name) if request.method == Method::PUT => packets::upload(context, request, &name),
        Route::PacketUrl(name) => packets::url(context, request, &name),
        Route::RunPacket(id, field) => packets::of_run(context, request, &id, &field),
        Route::Object => objects::handle(context, request, path, body).await,
        Route::Control(Control::Runs) => Ok(control::create(context, request, body).await),
        Route::Control(Control::Run(id)) => Ok(control::change(context, request, &id, body).await),
        Route::Control(Control::Records(id, name)) => {
            Ok(control_fixtures::records(context, request, &id, name, body).await)
        }
        Route::Control(Control::Batches) => Ok(control_fixtures::batch(context, request, body).await),
        Route::Control(Control::Object(name)) => Ok(control_fixtures::object(context, request, &name, body).await),
        Route::Control(Control::Limits) => Ok(control_fixtures::limits(context, request, body).await),
        Route::Control(Control::Faults) => Ok(control_fixtures::faults(context, request, body).await),
        Route::Control(Control::Stats) => Ok(control::stats(context, request)),
        Route::Control(Control::Tasks) => Ok(control_engine::tasks(context, request, body).await),
        Route::Control(Control::Clock) => Ok(control_engine::clock(context, request, body).await),
        Route::Control(Control::Session) => control_page::session(context, request, body).await,
        Route::Control(Control::Cancel(id)) => Ok(control_page::cancel(context, request, &id)),
        Route::Control(Control::Replay(id)) => Ok(control_page::replay(context, request, &id)),
        Route::Page(name) => Ok(page_files::handle(context, request, &name).await),
    }
}

/// A fault of the emulator itself.
fn internal_error(error: &Error) -> Response {
    Response::api_error(StatusCode::INTERNAL_SERVER_ERROR, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_never_redirects_to_another_host() {
        assert_eq!(trimmed("/a/b/"), Some("/a/b"));
        for path in ["/", "/a", "//evil.example/", "/a//"] {
            assert_eq!(trimmed(path), None, "{path}");
        }
    }
}
