//! From a request to its answer: the path, the counts, the handler.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::request::{Request, decode_segment};
use super::{Context, Label, cancel, claims, control, feed, public_tokens, retrieve, trigger};
use crate::emulator::answer::Answer;
use crate::error::Error;

/// A path that somebody answers.
#[derive(Debug, PartialEq, Eq)]
enum Route {
    Claims,
    PublicTokens,
    Trigger(String),
    Retrieve(String),
    Cancel(String),
    Feed(String),
    Runs,
    Run(String),
    Stats,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        let segments: Vec<String> = path.strip_prefix('/')?.split('/').map(decode_segment).collect::<Option<_>>()?;
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        Some(match names.as_slice() {
            ["api", "v1", "auth", "jwt", "claims"] => Self::Claims,
            ["api", "v1", "auth", "public-tokens"] => Self::PublicTokens,
            ["api", "v1", "tasks", id, "trigger"] => Self::Trigger((*id).into()),
            ["api", "v3", "runs", id] => Self::Retrieve((*id).into()),
            ["api", "v2", "runs", id, "cancel"] => Self::Cancel((*id).into()),
            ["realtime", "v1", "runs", id] => Self::Feed((*id).into()),
            ["emulator", "runs"] => Self::Runs,
            ["emulator", "runs", id] => Self::Run((*id).into()),
            ["emulator", "stats"] => Self::Stats,
            _ => return None,
        })
    }

    fn label(&self) -> Label {
        match self {
            Self::Claims => Label::Claims,
            Self::PublicTokens => Label::PublicTokens,
            Self::Trigger(_) => Label::Trigger,
            Self::Retrieve(_) => Label::Retrieve,
            Self::Cancel(_) => Label::Cancel,
            Self::Feed(_) => Label::Feed,
            Self::Runs | Self::Run(_) | Self::Stats => Label::Control,
        }
    }
}

/// Answers one request.
pub(in super::super) async fn respond(context: &Context, request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let request = Request { method: head.method, headers: head.headers, query: head.uri.query().map(str::to_owned) };
    let path = head.uri.path();
    let answer = if let Some(trimmed) = trimmed(path) {
        context.stats.count(Label::Unknown);
        Answer::moved(&head.uri.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}")))
    } else if let Some(route) = Route::find(path) {
        let label = if request.method == Method::OPTIONS { Label::Preflight } else { route.label() };
        context.stats.count(label);
        handle(context, &request, route, body).await.unwrap_or_else(|error| fault(&error))
    } else {
        context.stats.count(Label::Unknown);
        Answer::not_found()
    };
    answer.into_response(&request.headers, head.version)
}

/// A path without its trailing slash, where it has one. `//x` stays: as a location it would be
/// another host.
fn trimmed(path: &str) -> Option<&str> {
    path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.starts_with("//") && !rest.ends_with('/'))
}

async fn handle(context: &Context, request: &Request, route: Route, body: Incoming) -> Result<Answer, Error> {
    match route {
        Route::Claims => Ok(claims::handle(context, request)),
        Route::PublicTokens => public_tokens::handle(context, request, body).await,
        Route::Trigger(task) => trigger::handle(context, request, &task, body).await,
        Route::Retrieve(id) => Ok(retrieve::handle(context, request, &id)),
        Route::Cancel(id) => Ok(cancel::handle(context, request, &id)),
        Route::Feed(id) => Ok(feed::handle(context, request, &id).await),
        Route::Runs => Ok(control::create(context, request, body).await),
        Route::Run(id) => Ok(control::change(context, request, &id, body).await),
        Route::Stats => Ok(control::stats(context, request)),
    }
}

/// A fault of the emulator itself.
fn fault(error: &Error) -> Answer {
    Answer::api_error(StatusCode::INTERNAL_SERVER_ERROR, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(Route::find("/realtime/v1/runs/run_1"), Some(Route::Feed("run_1".into())));
        assert_eq!(Route::find("/api/v1/tasks/a%2Fb/trigger"), Some(Route::Trigger("a/b".into())));
        for path in ["/", "/realtime/v1/runs", "/realtime/v1/runs/a/b", "/realtime/v1/runs/%zz", "realtime"] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }

    #[test]
    fn a_trailing_slash_never_redirects_to_another_host() {
        assert_eq!(trimmed("/a/b/"), Some("/a/b"));
        for path in ["/", "/a", "//evil.example/", "/a//"] {
            assert_eq!(trimmed(path), None, "{path}");
        }
    }
}
