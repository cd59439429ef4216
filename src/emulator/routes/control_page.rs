//! The emulator's own calls for its page. They need no key, and refuse pages of other origins.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::own_page::{admit, is_own, refused};
use super::{Context, cancel as cancels, replay as replays};
use crate::emulator::jwt;
use crate::emulator::options::DEFAULT_KEY;
use crate::emulator::run::Run;
use crate::error::Result;
use crate::serve::clock::Clock;
use crate::serve::{Request, RequestBody, Response, read_body};

/// The life of the page's token, in seconds.
const SESSION_S: u64 = 86_400;
/// The scopes of the page's token.
const SCOPES: [&str; 6] =
    ["read:runs", "read:tags", "read:waitpoints", "trigger:tasks", "write:inputStreams", "write:waitpoints"];

/// The body of `POST /emulator/session`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SessionRequest {
    run_id: Option<String>,
}

/// `POST /emulator/session`: a public token of the main environment. With `{"runId"}` it reads this run and sends input
/// to it.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn session(context: &Context, request: &Request, incoming: RequestBody) -> Result<Response> {
    if request.method != Method::POST {
        return Ok(Response::error(StatusCode::METHOD_NOT_ALLOWED, "POST gives a token"));
    }
    if !is_own(request) {
        return Ok(refused());
    }
    let Some(environment) = context.engine.environments.first() else { return Ok(refused()) };
    let given: SessionRequest = match read_body(incoming).await {
        Ok(bytes) if bytes.is_empty() => SessionRequest::default(),
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(given) => given,
            Err(error) => return Ok(Response::error(StatusCode::BAD_REQUEST, &error.to_string())),
        },
        Err(answer) => return Ok(answer),
    };
    let scopes = given.run_id.map_or_else(
        || SCOPES.map(str::to_owned).to_vec(),
        |id| vec![format!("read:runs:{id}"), format!("write:inputStreams:{id}")],
    );
    let claims = json!({ "sub": environment.id, "pub": true, "scopes": scopes });
    let claims = claims.as_object().cloned().unwrap_or_default();
    let now_s = context.engine.now_ms() / 1000;
    // Valid by the emulator's clock and by the system's, which may differ.
    let expires_s = now_s.max(Clock::system().now_ms() / 1000) + SESSION_S;
    let token = jwt::mint(claims, &environment.root_key, now_s, expires_s)?;
    let mut body = json!({ "publicAccessToken": token, "expiresAt": expires_s });
    // The key itself is not sent: one from the options may be a secret. The page knows the default key.
    if environment.root_key.expose() == DEFAULT_KEY {
        body["hasDefaultKey"] = true.into();
    }
    Ok(Response::json(StatusCode::OK, body.to_string()).with("cache-control", "no-store"))
}

/// `POST /emulator/runs/{id}/cancel`.
pub(super) fn cancel(context: &Context, request: &Request, id: &str) -> Response {
    on_run(context, request, id, |run| cancels::cancel(context, run))
}

/// `POST /emulator/runs/{id}/replay`.
pub(super) fn replay(context: &Context, request: &Request, id: &str) -> Response {
    on_run(context, request, id, |run| replays::replay(context, run))
}

fn on_run(
    context: &Context,
    request: &Request,
    id: &str,
    act: impl FnOnce(&std::sync::Arc<Run>) -> Response,
) -> Response {
    if request.method != Method::POST {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "POST does it");
    }
    let environment = match admit(context, request) {
        Ok(environment) => environment,
        Err(answer) => return answer,
    };
    match context.engine.store.find(id).filter(|run| run.environment == environment) {
        Some(run) => act(&run),
        None => Response::error(StatusCode::NOT_FOUND, "there is no such run"),
    }
}
