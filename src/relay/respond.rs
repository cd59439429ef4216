//! From a viewer's request to its answer.

use std::sync::Arc;

use http::{Request, Response};

use super::Relay;
use crate::serve::{Answer, Body};

/// What the app granted a viewer whose request it looked at itself (`authorize`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Scopes as in a token.
    pub scopes: Vec<String>,
    /// Columns that are left out for it.
    pub skip_columns: Vec<String>,
}

impl Relay {
    /// Answers one request. `grant` is what `authorize` said, where the app has one: then the request's own token
    /// counts for nothing but passing through.
    pub async fn respond(self: &Arc<Self>, request: Request<Body>, _grant: Option<Grant>) -> Response<Body> {
        let (head, _body) = request.into_parts();
        Answer::not_found().into_response(&head.headers, head.version)
    }
}
