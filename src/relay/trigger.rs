//! Triggers that the server is sure to refuse: said here, with what to do instead (docs/relay-access.md, A15).

use std::fmt::Write as _;

use http::StatusCode;

use super::Relay;
use super::route::{Family, Route};
use crate::config::KeyKind;
use crate::serve::{Answer, Request};
use crate::token::{PublicClaims, Scope, verify};

/// How far clocks may differ, in seconds.
const LEEWAY: u32 = 5;

impl Relay {
    /// The 403 for a trigger whose token is one of this relay's own key and lacks the scope. About every other token, and
    /// where servers of other versions may differ, the server decides.
    pub(super) fn refused_trigger(&self, request: &Request, route: &Route) -> Option<Answer> {
        let wanted = Wanted::of(route)?;
        let endpoint = &self.options.endpoint;
        if endpoint.kind() != KeyKind::Root || request.headers.get_all("authorization").iter().count() > 1 {
            return None;
        }
        let now = i64::try_from(self.clock.now_ms() / 1000).unwrap_or(i64::MAX);
        let claims = verify(request.bearer()?, &endpoint.token(), now, LEEWAY).ok()?;
        (!wanted.is_granted(&claims)).then(|| wanted.refusal())
    }
}

/// What a token would have to allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted<'a> {
    /// To trigger this task.
    Task(&'a str),
    /// To trigger in batches; of which tasks is in the body.
    Batch,
}

impl<'a> Wanted<'a> {
    fn of(route: &'a Route) -> Option<Self> {
        match route.family {
            // Uploads of payloads are among them, and open to more.
            Family::Trigger => route.path.strip_prefix("/api/v1/tasks/")?.strip_suffix("/trigger").map(Self::Task),
            Family::BatchTrigger => Some(Self::Batch),
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

    /// Wider than the server reads it (protocol.md 3): only what no server grants is refused.
    fn is_granted(self, claims: &PublicClaims) -> bool {
        claims.scopes.iter().map(|scope| Scope::parse(scope)).any(|scope| {
            let does = match self {
                Self::Task(_) => ["trigger", "write", "*"].contains(&scope.action),
                Self::Batch => ["batchTrigger", "trigger", "write", "*"].contains(&scope.action),
            };
            let names = match (self, scope.kind) {
                (_, Some("all")) => true,
                (Self::Task(task), Some("tasks")) => scope.id.is_none_or(|id| encoded(id) == task),
                (Self::Batch, Some("tasks" | "batch")) => true,
                _ => false,
            };
            scope.action == "admin" || (does && names)
        })
    }

    fn refusal(self) -> Answer {
        let (what, name) = match self {
            Self::Task(_) => ("trigger this task", "createTriggerPublicToken"),
            Self::Batch => ("trigger in batches", "createBatchTriggerPublicToken"),
        };
        let mut body = Answer::forbidden();
        body["error"] = format!("The access token may not {what}: make one with auth.{name}(task) on the server").into();
        Answer::api(StatusCode::FORBIDDEN, body.to_string())
    }
}
