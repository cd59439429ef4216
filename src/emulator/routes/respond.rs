//! Answers one request: counts it, injects a fault where one is due, and calls its route.

use std::io;

use http::{Method, StatusCode};

use super::Context;
use super::route::{Call, Route};
use super::table::{self, PREFLIGHT, UNKNOWN};
use crate::emulator::fault::Fault;
use crate::error::Error;
use crate::serve::{Body, Request, RequestBody, Response};

/// Answers one request.
///
/// # Errors
/// A `drop` fault, which ends the connection.
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
    let response = if let Some(trimmed) = trimmed(path) {
        context.stats.count(UNKNOWN);
        Response::moved(&head.uri.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}")))
    } else if let Some((route, parameters)) = table::find(request.method.as_str(), path) {
        let label = if request.method == Method::OPTIONS { Some(PREFLIGHT) } else { route.label };
        let fault = label.and_then(|label| {
            context.stats.count(label);
            context.faults.take(label)
        });
        let call = Call { context, request: &request, path, parameters: &parameters };
        respond_with_fault(call, route, body, fault).await?.unwrap_or_else(|error| internal_error(&error))
    } else {
        context.stats.count(UNKNOWN);
        Response::not_found()
    };
    Ok(response.into_http(&request.headers, head.version))
}

/// Answers the call, with the fault that was injected.
async fn respond_with_fault(
    call: Call<'_>,
    route: &Route,
    body: RequestBody,
    fault: Option<Fault>,
) -> io::Result<Result<Response, Error>> {
    let respond = |body| (route.handler)(call, body);
    Ok(match fault {
        None => respond(body).await,
        Some(Fault::Drop) => return Err(io::Error::other("dropped on purpose")),
        Some(Fault::Cut(bytes)) => respond(body).await.map(|response| response.cut(bytes)),
        Some(Fault::Delay(delay)) => {
            // Stopping the emulator ends the delay.
            call.context.stop.run_until_cancelled(tokio::time::sleep(delay)).await;
            respond(body).await
        }
        Some(Fault::Status(status, retry_after)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let response = Response::api_error(status, status.canonical_reason().unwrap_or("Error"));
            Ok(match retry_after {
                Some(seconds) => response.with("retry-after", &seconds.to_string()),
                None => response,
            })
        }
        Some(Fault::MustRefetch) => match call.request.parameter("handle").filter(|_| route.is_feed()) {
            Some(handle) => Ok(Response::must_refetch(&handle)),
            None => respond(body).await,
        },
    })
}

/// A path without its trailing slash, where it has one. `//x` stays: as a location it would be
/// another host.
fn trimmed(path: &str) -> Option<&str> {
    path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.starts_with("//") && !rest.ends_with('/'))
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
