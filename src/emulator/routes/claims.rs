//! `POST /api/v1/auth/jwt/claims`: the claims that clients put into the tokens they sign.

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use crate::emulator::access::{Caller, Refusal};
use crate::serve::Request;
use crate::serve::Response;

/// Answers the call. Public tokens are refused (recorded: `errors-auth`).
pub(super) fn handle(context: &Context, request: &Request) -> Response {
    if request.method != Method::POST {
        return Response::wrong_method(StatusCode::BAD_REQUEST);
    }
    match request.caller(context) {
        Ok(Caller { environment, credential, .. })
            if !matches!(credential, crate::emulator::access::Credential::Public { .. }) =>
        {
            Response::json(StatusCode::OK, json!({ "sub": environment.id, "pub": true }).to_string())
        }
        Ok(_) | Err(_) => Response::error(StatusCode::UNAUTHORIZED, Refusal::Missing.text()),
    }
}
