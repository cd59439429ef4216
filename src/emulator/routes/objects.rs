//! `PUT` and `GET /packets/…`: the object store behind the signed URLs. The URL is the credential; there is no
//! `Authorization` (docs/server-protocol.md 4).

use http::{Method, StatusCode};

use super::Context;
use crate::emulator::object::Object;
use crate::error::Result;
use crate::serve::Response;
use crate::serve::{Request, RequestBody, read_body_up_to};

/// The most bytes of an object.
const OBJECT_BYTES: u64 = 64 << 20;

/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn handle(
    context: &Context,
    request: &Request,
    path: &str,
    incoming: RequestBody,
) -> Result<Response> {
    if request.method == Method::OPTIONS {
        return Ok(Response::preflight());
    }
    let method = match request.method {
        Method::PUT => "PUT",
        Method::GET | Method::HEAD => "GET",
        _ => return Ok(Response::empty(StatusCode::METHOD_NOT_ALLOWED)),
    };
    let parameter = |name: &str| request.parameter(name).unwrap_or_default();
    let (signed_at, signature) = (parameter("X-Amz-Date"), parameter("X-Amz-Signature"));
    let objects = &context.engine.objects;
    if !objects.admits(method, path, &signed_at, &signature, context.engine.now_ms())? {
        return Ok(Response::empty(StatusCode::FORBIDDEN));
    }
    if method == "PUT" {
        let data = match read_body_up_to(incoming, OBJECT_BYTES).await {
            Ok(data) => data,
            Err(answer) => return Ok(answer),
        };
        let content_type = request.header("content-type").unwrap_or("application/octet-stream").to_owned();
        objects.put(path, Object { content_type, data });
        return Ok(Response::empty(StatusCode::OK));
    }
    Ok(match objects.get(path) {
        // Every page with the URL may read it.
        Some(object) => Response::bytes(&object.content_type, object.data).with("access-control-allow-origin", "*"),
        None => Response::empty(StatusCode::NOT_FOUND),
    })
}
