//! A viewer: the token or name it comes with, and the rights these give.

use http::HeaderMap;

use super::identity::LEEWAY;
use crate::relay::digest::{Digest, Digester};
use crate::secret::Secret;
use crate::token::PublicClaims;

/// The rights that the app's own `authorize` granted a viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Scopes as in a token.
    pub scopes: Vec<String>,
    /// Columns that are left out of every answer.
    pub skip_columns: Vec<String>,
    /// The app's name for the viewer. It counts in place of a token for `limits.viewersPerToken`.
    pub id: Option<String>,
}

/// A viewer that was identified.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    /// Columns that are left out of every answer, whatever the request says.
    pub(crate) skip_columns: Vec<String>,
    /// The viewer's own token; `None` where `authorize` let it in.
    pub(crate) token: Option<Secret>,
    /// The digest of the token, or of the name that `authorize` gave.
    pub(crate) digest: Option<Digest>,
    pub(super) rights: Rights,
    /// The environment that the token names, where the relay does not know its own yet (A20).
    pub(crate) unproven: Option<String>,
    /// When the token expires, in Unix seconds.
    exp: Option<f64>,
}

/// The source of a viewer's rights: its scopes, or the server.
#[derive(Clone, Debug)]
pub(super) enum Rights {
    /// These scopes.
    Scopes(Vec<String>),
    /// A probe, cached until the token expires (Unix seconds).
    Server(Option<f64>),
}

impl Viewer {
    /// A viewer that `authorize` let in.
    pub(super) fn granted(grant: Grant, digester: &Digester) -> Self {
        Self {
            skip_columns: grant.skip_columns,
            token: None,
            digest: grant.id.map(|id| digester.viewer(&id)),
            rights: Rights::Scopes(grant.scopes),
            unproven: None,
            exp: None,
        }
    }

    /// The holder of a token that the relay's key signed.
    pub(super) fn verified(token: &str, claims: PublicClaims, digester: &Digester) -> Self {
        let holder = Self::holder(token, claims.skip_columns, Rights::Scopes(claims.scopes), digester);
        Self { exp: claims.exp, ..holder }
    }

    /// The holder of a token that only the server can check. `is_proven` is whether the relay knows that the token is
    /// of its own environment.
    pub(super) fn unverified(token: &str, claims: PublicClaims, is_proven: bool, digester: &Digester) -> Self {
        let unproven = (!is_proven).then_some(claims.sub);
        Self {
            unproven,
            exp: claims.exp,
            ..Self::holder(token, claims.skip_columns, Rights::Server(claims.exp), digester)
        }
    }

    /// The holder of the relay's own key.
    pub(super) fn server(key: &str, digester: &Digester) -> Self {
        Self::holder(key, Vec::new(), Rights::Scopes(vec!["admin".into()]), digester)
    }

    fn holder(token: &str, skip_columns: Vec<String>, rights: Rights, digester: &Digester) -> Self {
        let (digest, token) = (Some(digester.token(token)), Some(Secret::new(token)));
        Self { skip_columns, token, digest, rights, unproven: None, exp: None }
    }

    /// When the token is taken no more, in Unix milliseconds: a response that lasts must not outlive it (A1).
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        let seconds = self.exp? + f64::from(LEEWAY);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
        Some((seconds * 1_000.0) as u64)
    }
}

/// The token of `Authorization`: after `Bearer`, or alone, as the server takes it (docs/server-protocol.md 8). `None`
/// where there is none, and where the header could be read in two ways.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("authorization")?.to_str().ok()?.trim();
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
        None => text,
    };
    let is_one = !token.is_empty() && !token.contains([' ', '\t', ',']) && !token.eq_ignore_ascii_case("bearer");
    is_one.then_some(token)
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
            assert_eq!(bearer_token(&headers), token, "{text:?}");
        }
    }
}
