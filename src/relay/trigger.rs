//! Triggers that the server is sure to refuse: said here, with what to do instead (docs/relay-access.md, A15).

use http::StatusCode;

use super::Relay;
use super::access::LEEWAY;
use super::route::{Family, Route};
use super::viewer::token_of;
use crate::config::KeyKind;
use crate::serve::{Request, Response, decode_segment};
use crate::token::{PublicClaims, Scope, verify};

impl Relay {
    /// The 403 for a trigger whose token is one of this relay's own key and lacks the scope. About every other token, and
    /// where servers of other versions may differ, the server decides.
    pub(super) fn refused_trigger(&self, request: &Request, route: &Route) -> Option<Response> {
        let wanted = Wanted::of(route)?;
        let endpoint = &self.options.endpoint;
        if endpoint.kind() != KeyKind::Root {
            return None;
        }
        let now = i64::try_from(self.clock.now_ms() / 1000).unwrap_or(i64::MAX);
        let claims = verify(token_of(&request.headers)?, &endpoint.token(), now, LEEWAY).ok()?;
        (!wanted.is_granted(&claims)).then(|| wanted.refusal())
    }
}

/// What a token would have to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// To trigger this task.
    Task(String),
    /// To trigger in batches; of which tasks is in the body.
    Batch,
}

impl Wanted {
    fn of(route: &Route) -> Option<Self> {
        match route.family {
            // Not the uploads of payloads, which are open to more tokens.
            Family::Trigger => {
                let task = route.path.strip_prefix("/api/v1/tasks/")?.strip_suffix("/trigger")?;
                decode_segment(task).map(Self::Task)
            }
            // Not the items, which a batch that was begun may be sent with another token.
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

    /// Wider than the server reads it (docs/server-protocol.md 3): only what no server grants is refused.
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
        // What the official hooks show stays the server's word; who looks at the answer finds what to do.
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
