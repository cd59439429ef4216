//! The emulator's own calls: its tasks and its clock.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Context;
use super::control::{columns, owner, refused};
use super::own_page;
use crate::emulator::Handle;
use crate::serve::{Request, RequestBody, Response};

/// `GET /emulator/tasks` lists the tasks; `PUT` with `{"tasks": {…}}` replaces the given ones.
pub(super) async fn tasks(context: &Context, request: &Request, incoming: RequestBody) -> Response {
    if request.method == Method::PUT {
        if owner(context, request).is_none() {
            return refused();
        }
        let mut given = match columns(incoming).await {
            Ok(given) => given,
            Err(answer) => return answer,
        };
        let Some(Value::Object(scripts)) = given.remove("tasks").filter(|_| given.is_empty()) else {
            return Response::error(StatusCode::BAD_REQUEST, "the body is {\"tasks\": an object of scripts}");
        };
        return match Handle::new(context.engine.clone()).replace(scripts) {
            Ok(count) => Response::json(StatusCode::OK, json!({ "tasks": count }).to_string()),
            Err(error) => Response::error(StatusCode::BAD_REQUEST, error.message()),
        };
    }
    if request.method != Method::GET {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "GET shows the tasks, PUT replaces them");
    }
    if let Err(answer) = own_page::admit(context, request) {
        return answer;
    }
    let tasks = context.engine.tasks();
    let list: Vec<_> = tasks
        .list()
        .into_iter()
        .map(|(id, task)| {
            let (inputs, streams) = task.streams();
            json!({ "id": id, "builtIn": task.is_built_in, "inputs": inputs, "streams": streams })
        })
        .collect();
    Response::json(StatusCode::OK, json!({ "tasks": list }).to_string()).with("cache-control", "no-store")
}

/// `GET /emulator/clock` shows the time; `PUT` with `{"advanceMs": n}` moves a manual clock, and is answered when
/// everything due is done.
pub(super) async fn clock(context: &Context, request: &Request, incoming: RequestBody) -> Response {
    let handle = Handle::new(context.engine.clone());
    if request.method == Method::PUT {
        if owner(context, request).is_none() {
            return refused();
        }
        let given = match columns(incoming).await {
            Ok(given) => given,
            Err(answer) => return answer,
        };
        let Some(ms) = given.get("advanceMs").and_then(Value::as_u64).filter(|_| given.len() == 1) else {
            return Response::error(StatusCode::BAD_REQUEST, "the body is {\"advanceMs\": a whole number}");
        };
        if let Err(error) = handle.advance(ms).await {
            return Response::error(StatusCode::CONFLICT, error.message());
        }
    } else if request.method != Method::GET {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "GET shows the clock, PUT moves it");
    } else if let Err(answer) = own_page::admit(context, request) {
        return answer;
    }
    let body = json!({ "now": handle.now(), "manual": handle.is_manual() });
    Response::json(StatusCode::OK, body.to_string()).with("cache-control", "no-store")
}
