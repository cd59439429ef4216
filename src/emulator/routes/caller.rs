//! Authentication of requests: the caller, or the 401 in the server's form.

use http::StatusCode;

use super::Context;
use crate::emulator::access::{self, Caller, Refusal};
use crate::serve::{Request, Response};

/// The rate limits in the server's headers: a burst for keys, a minute for public tokens (recorded).
const KEY_LIMIT: u32 = 750;
const TOKEN_LIMIT: u32 = 60;

impl Request {
    /// Authenticates the caller.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn caller<'c>(&self, context: &'c Context) -> Result<Caller<'c>, Refusal> {
        access::authenticate(&context.engine.environments, self.bearer(), context.engine.now_ms() / 1000)
    }

    /// Authenticates the caller of a call that pages may make.
    ///
    /// # Errors
    /// The 401.
    pub(super) fn api_caller<'c>(&self, context: &'c Context) -> Result<Caller<'c>, Response> {
        if !self.headers.contains_key("authorization") {
            return Err(Response::no_authorization());
        }
        self.caller(context)
            .map_err(|refusal| limited(Response::api_error(StatusCode::UNAUTHORIZED, refusal.text()), context, None))
    }

    /// Authenticates the caller of a call for servers: a key, no public token (recorded: `calls-wait`).
    ///
    /// # Errors
    /// The 401.
    pub(super) fn key_caller<'c>(&self, context: &'c Context) -> Result<Caller<'c>, Response> {
        if !self.headers.contains_key("authorization") {
            return Err(Response::no_authorization());
        }
        let caller = self.caller(context);
        let refuse = |caller: Option<&Caller<'_>>| {
            let answer = Response::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text());
            limited(answer, context, caller)
        };
        match caller {
            Ok(caller) if caller.is_public() => Err(refuse(Some(&caller))),
            Ok(caller) => Ok(caller),
            Err(_) => Err(refuse(None)),
        }
    }
}

/// Adds the rate-limit headers for this caller. An unknown caller gets those of a key.
pub(super) fn limited(answer: Response, context: &Context, caller: Option<&Caller<'_>>) -> Response {
    let limit = if caller.is_some_and(Caller::is_public) { TOKEN_LIMIT } else { KEY_LIMIT };
    answer.with_rate_limit(limit, context.engine.now_ms())
}
