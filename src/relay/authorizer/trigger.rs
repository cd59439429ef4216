//! Triggers that the server is sure to refuse: the relay refuses them itself, and says what to do instead (A15). Pure.

use http::{HeaderMap, StatusCode};

use super::identity::LEEWAY;
use super::viewer::bearer_token;
use crate::config::{Endpoint, KeyKind};
use crate::relay::router::{Family, Route};
use crate::serve::{Response, decode_segment};
use crate::token::{PublicClaims, Scope, verify};

/// Refuses a trigger whose token the relay's own key signed and that lacks the scope, at `now` (Unix seconds). Other
/// tokens, and what servers of other versions decide differently, are left to the server.
///
/// # Errors
/// The 403.
pub(super) fn check(endpoint: &Endpoint, headers: &HeaderMap, route: &Route, now: i64) -> Result<(), Response> {
    let Some(wanted) = Wanted::of(route) else { return Ok(()) };
    if endpoint.kind() != KeyKind::Root {
        return Ok(());
    }
    let claims = bearer_token(headers).and_then(|token| verify(token, &endpoint.token(), now, LEEWAY).ok());
    match claims {
        Some(claims) if !wanted.is_granted(&claims) => Err(wanted.refusal()),
        Some(_) | None => Ok(()),
    }
}

/// The right that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// Triggering this task.
    Task(String),
    /// Triggering in batches; the body names the tasks.
    Batch,
}

impl Wanted {
    fn of(route: &Route) -> Option<Self> {
        match route.family {
            // Uploads of payloads are open to more tokens.
            Family::Trigger => {
                let task = route.path.strip_prefix("/api/v1/tasks/")?.strip_suffix("/trigger")?;
                decode_segment(task).map(Self::Task)
            }
            // The items of a batch that was begun may be sent with another token.
            Family::BatchTrigger => (!route.path.ends_with("/items")).then_some(Self::Batch),
            Family::Runs
            | Family::Tags
            | Family::Batches
            | Family::Streams
            | Family::WaitTokens
            | Family::Inputs
            | Family::Retrieve
            | Family::Sessions => None,
        }
    }

    /// Whether the claims may grant the right. This reads scopes more widely than the server does
    /// (docs/server-protocol.md 3), so that the relay refuses only triggers that no server grants.
    fn is_granted(&self, claims: &PublicClaims) -> bool {
        claims.scopes.iter().map(|scope| Scope::parse(scope)).any(|scope| {
            let does = match self {
                Self::Task(_) => ["trigger", "write", "*"].contains(&scope.action),
                Self::Batch => ["batchTrigger", "trigger", "write", "*"].contains(&scope.action),
            };
            let names = match (self, scope.kind) {
                (Self::Task(_) | Self::Batch, Some("all")) => true,
                (Self::Task(task), Some("tasks")) => scope.id.is_none_or(|id| id == task),
                (Self::Batch, Some("tasks" | "batch")) => true,
                (Self::Task(_) | Self::Batch, _) => false,
            };
            scope.action == "admin" || (does && names)
        })
    }

    fn refusal(&self) -> Response {
        let (what, name) = match self {
            Self::Task(_) => ("trigger this task", "createTriggerPublicToken"),
            Self::Batch => ("trigger in batches", "createBatchTriggerPublicToken"),
        };
        let mut body = Response::forbidden();
        // The official hooks show the server's words; the hint is seen in the answer itself.
        body["hint"] = format!("The access token may not {what}: make one with auth.{name}(task) on the server").into();
        Response::api(StatusCode::FORBIDDEN, body.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(scopes: &[&str]) -> PublicClaims {
        PublicClaims {
            sub: "env".into(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            otu: false,
            jti: None,
            skip_columns: Vec::new(),
            exp: None,
        }
    }

    #[test]
    fn a_trigger_is_refused_where_no_server_would_take_it() {
        let task = Wanted::Task("a/b".into());
        for (scopes, wanted, granted) in [
            (&["read:runs:run_1"][..], &task, false),
            (&[], &task, false),
            (&["read:tasks:a/b", "trigger:tasks:c"], &task, false),
            (&["batchTrigger:tasks:a/b"], &task, false),
            (&["read:runs", "trigger:tasks:a/b"], &task, true),
            (&["trigger:tasks"], &task, true),
            (&["write:tasks:a/b"], &task, true),
            (&["*:all"], &task, true),
            (&["admin"], &task, true),
            (&["read:batch"], &Wanted::Batch, false),
            (&["batchTrigger:tasks:c"], &Wanted::Batch, true),
            (&["trigger:tasks:c"], &Wanted::Batch, true),
        ] {
            assert_eq!(wanted.is_granted(&claims(scopes)), granted, "{scopes:?} for {wanted:?}");
        }
    }
}
