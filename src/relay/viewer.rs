//! Who a viewer is to this relay, and whether it may read what it asks for.

use super::Relay;
use super::access::{Decision, Own, RunFacts, Subject, Verdict, decide, recognise};
use super::feed::FeedKey;
use super::judge::Unsure;
use super::limits::Digest;
use super::respond::Grant;
use crate::config::Endpoint;
use crate::secret::Secret;
use crate::serve::{Request, Response};
use crate::token::PublicClaims;
use http::{HeaderMap, StatusCode};

/// A viewer that was recognised.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    /// Columns that are left out for it, whatever it asks for.
    pub(super) skip_columns: Vec<String>,
    /// Its own token; none where the app vouches for it.
    pub(super) token: Option<Secret>,
    /// The token, or the viewer as the app names it, told from others.
    pub(super) digest: Option<Digest>,
    rights: Rights,
    /// The environment that its token names, where the relay does not know its own yet.
    pub(super) unproven: Option<String>,
}

/// By what a viewer may read.
#[derive(Clone, Debug)]
enum Rights {
    /// By these scopes.
    Scopes(Vec<String>),
    /// By what only the server knows, until the token expires (Unix seconds).
    Server(Option<f64>),
}

/// The server's 403, and beside its words the scope that would do. It names what was asked for and nothing else: what a
/// run is tagged with is not for who may not read it.
fn forbidden(subject: Subject<'_>, is_granted: bool) -> Response {
    let wanted = match subject {
        Subject::Run(id) => format!("read:runs:{id}"),
        Subject::Tags([]) => "read:runs".to_owned(),
        Subject::Tags([tag, ..]) => format!("read:tags:{tag}"),
        Subject::Batch(id) => format!("read:batch:{id}"),
    };
    let what = if is_granted { "What authorize() granted" } else { "The access token" };
    let mut body = Response::forbidden();
    body["hint"] = format!("{what} lacks a scope that opens this, such as {wanted}").into();
    Response::api(StatusCode::FORBIDDEN, body.to_string())
}

/// Whether the key is of several environments: those of its branches.
fn is_of_many(endpoint: &Endpoint) -> bool {
    endpoint.branch().is_some() || endpoint.token().expose().starts_with("tr_preview_")
}

/// The token of `Authorization`: behind `Bearer`, or alone, as the server takes it (docs/server-protocol.md 8). `None`
/// where there is none, and where it could be read in two ways.
pub(super) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("authorization")?.to_str().ok()?.trim();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
        None => text,
    };
    let is_one = !token.is_empty() && !token.contains([' ', '\t', ',']) && !token.eq_ignore_ascii_case("bearer");
    is_one.then_some(token)
}

impl Viewer {
    /// Whom `authorize` let in.
    fn granted(relay: &Relay, grant: Grant) -> Self {
        Self {
            skip_columns: grant.skip_columns,
            token: None,
            digest: grant.id.map(|id| relay.judge.digest_of_viewer(&id)),
            rights: Rights::Scopes(grant.scopes),
            unproven: None,
        }
    }

    fn holder(relay: &Relay, token: &str, claims: PublicClaims, is_known: bool) -> Self {
        Self {
            skip_columns: claims.skip_columns,
            token: Some(Secret::new(token)),
            digest: Some(relay.judge.digest(token)),
            rights: if is_known { Rights::Scopes(claims.scopes) } else { Rights::Server(claims.exp) },
            unproven: None,
        }
    }
}

impl Relay {
    /// Recognises a viewer.
    ///
    /// # Errors
    /// The 401, or the 503 while the relay cannot learn which environment is its own.
    pub(super) async fn recognise(&self, request: &Request, grant: Option<Grant>) -> Result<Viewer, Response> {
        if let Some(grant) = grant {
            return Ok(Viewer::granted(self, grant));
        }
        let refused = |text: &str| Response::api_error(StatusCode::UNAUTHORIZED, text);
        let (endpoint, bearer) = (&self.options.endpoint, token_of(&request.headers));
        let key = endpoint.token();
        let verdict = |sub: Option<&str>| {
            let now = i64::try_from(self.clock.now_ms() / 1000).unwrap_or(i64::MAX);
            recognise(bearer, Own { key: &key, kind: endpoint.kind(), sub }, now)
        };
        let mut known = self.own_sub();
        let mut found = verdict(known.as_deref());
        let wants_sub = match &found {
            // Only tokens of the relay's own environment are worth a question.
            Verdict::Ask(_) => true,
            // One key signs the tokens of all branches, and each is an environment of its own.
            Verdict::Known(_) => is_of_many(endpoint),
            Verdict::OwnKey | Verdict::Refused(_) => false,
        };
        if wants_sub && known.is_none() {
            known = Box::pin(self.learn_sub()).await?;
            found = verdict(known.as_deref());
        }
        let token = bearer.unwrap_or_default();
        match found {
            Verdict::Known(claims) => Ok(Viewer::holder(self, token, claims, true)),
            Verdict::Ask(claims) => {
                let unproven = known.is_none().then(|| claims.sub.clone());
                Ok(Viewer { unproven, ..Viewer::holder(self, token, claims, false) })
            }
            // It asks as a server does, which would answer of another branch: what is shared here is of one.
            Verdict::OwnKey
                if request.header("x-trigger-branch").is_some_and(|name| Some(name) != endpoint.branch()) =>
            {
                Err(Response::api_error(
                    StatusCode::BAD_REQUEST,
                    "This relay serves another branch than x-trigger-branch names",
                ))
            }
            Verdict::OwnKey => Ok(Viewer {
                skip_columns: Vec::new(),
                token: Some(Secret::new(token)),
                digest: Some(self.judge.digest(token)),
                rights: Rights::Scopes(vec!["admin".into()]),
                unproven: None,
            }),
            Verdict::Refused(text) => Err(refused(text)),
        }
    }

    /// Whether the viewer may read the subject; `path` is its feed's, with its own query. `run` is that feed where the
    /// subject is one run: its row is looked at when it decides.
    ///
    /// # Errors
    /// The answer to give instead: 401, 403, 404, or that the server cannot be asked.
    pub(super) async fn permit(
        &self,
        viewer: &Viewer,
        subject: Subject<'_>,
        path: &str,
        run: Option<&FeedKey>,
    ) -> Result<(), Response> {
        let forbidden = || Err(forbidden(subject, viewer.token.is_none()));
        let scopes = match &viewer.rights {
            Rights::Scopes(scopes) => scopes,
            Rights::Server(exp) => return Box::pin(self.ask(viewer, path, *exp)).await,
        };
        let mut decision = decide(scopes, subject, None);
        if let (Decision::NeedsFacts, Some(key)) = (decision, run) {
            let facts = self.feeds.open_for(key.clone(), viewer.digest)?.facts().await?;
            decision = decide(scopes, subject, Some(RunFacts { task: &facts.task, tags: &facts.tags }));
        }
        match decision {
            Decision::Yes => Ok(()),
            Decision::AskServer if viewer.token.is_some() => Box::pin(self.ask(viewer, path, None)).await,
            Decision::No | Decision::NeedsFacts | Decision::AskServer => forbidden(),
        }
    }

    async fn ask(&self, viewer: &Viewer, path: &str, exp: Option<f64>) -> Result<(), Response> {
        let Some(token) = &viewer.token else {
            return Err(Unsure::Unreachable.answer());
        };
        let _under_way = self.stats.asking();
        let ruling = self.judge.ask(&self.options.endpoint, token, path, exp).await.map_err(Unsure::answer)?;
        ruling.answer().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_in_one_way_or_not_at_all() {
        for (text, token) in [
            ("Bearer a.b.c", Some("a.b.c")),
            ("bearer a", Some("a")),
            ("Bearer  a ", Some("a")),
            ("a.b.c", Some("a.b.c")),
            ("Bearer", None),
            ("Bearer ", None),
            ("", None),
            ("Basic a", None),
            ("Bearer a, Bearer b", None),
            ("Bearer a,b", None),
            ("Bearer a b", None),
            ("Bearer Bearer a", None),
            ("Bearer a\tb", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", text.parse().expect("a value"));
            assert_eq!(token_of(&headers), token, "{text:?}");
        }
    }
}
