//! Authentication and authorization of callers (docs/server-protocol.md 2 and 3).

use std::fmt;
use std::time::Duration;

use super::jwt;
use crate::secret::Secret;
use crate::token::{PublicClaims, Resource, grants, verify};

/// One environment: its id, its root key and its additional keys.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    /// Its id: `sub` of its tokens.
    pub(super) id: String,
    /// The key that signs its tokens.
    pub(super) root_key: Secret,
    /// Keys with scopes of their own.
    pub(super) additional_keys: Vec<AdditionalKey>,
    /// The most concurrent live requests; `None` is no limit.
    pub(super) max_connections: Option<usize>,
}

impl Environment {
    /// Its kind, as its key names it: `dev`, `prod` and so on.
    pub(super) fn slug(&self) -> &str {
        self.root_key.expose().split('_').nth(1).unwrap_or("dev")
    }
}

/// A key that has scopes and cannot sign.
#[derive(Clone, Debug)]
pub(super) struct AdditionalKey {
    /// The key.
    pub(super) key: Secret,
    /// Its scopes.
    pub(super) scopes: Vec<String>,
}

/// An authenticated caller.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    /// Its environment.
    pub(super) environment: &'a Environment,
    /// The index of the environment in the list.
    pub(super) index: usize,
    /// Its credential.
    pub(super) credential: Credential,
}

/// The credential of a caller.
#[derive(Clone, PartialEq)]
pub(super) enum Credential {
    /// The root key.
    Root,
    /// An additional key with these scopes.
    Additional(Vec<String>),
    /// A public token with these claims. The text is needed for one-time use.
    Public {
        /// Its claims.
        claims: PublicClaims,
        /// The token itself.
        token: Secret,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "Root",
            Self::Additional(_) => "Additional",
            Self::Public { .. } => "Public",
        })
    }
}

/// Why authentication failed. Always a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No `Authorization: Bearer …`.
    Missing,
    /// An unknown key.
    UnknownKey,
    /// A token of an environment that does not exist.
    UnknownEnvironment,
    /// An expired token, or a wrong signature: the server does not distinguish them.
    InvalidToken,
}

impl Refusal {
    /// The server's words (recorded: `errors-auth`).
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Missing => "Invalid or Missing API key",
            Self::UnknownKey => "Invalid API key",
            Self::UnknownEnvironment => "Invalid Public Access Token",
            Self::InvalidToken => "Public Access Token is invalid",
        }
    }
}

/// Authenticates a caller by its bearer token.
///
/// # Errors
/// The refusal.
pub(super) fn authenticate<'a>(
    environments: &'a [Environment],
    bearer: Option<&str>,
    now_s: u64,
) -> Result<Caller<'a>, Refusal> {
    let bearer = bearer.filter(|text| !text.is_empty()).ok_or(Refusal::Missing)?;
    if let Some(subject) = jwt::subject(bearer) {
        let (index, environment) = environments
            .iter()
            .enumerate()
            .find(|(_, environment)| environment.id == subject)
            .ok_or(Refusal::UnknownEnvironment)?;
        let now = i64::try_from(now_s).unwrap_or(i64::MAX);
        let claims = verify(bearer, &environment.root_key, now, 0).map_err(|_| Refusal::InvalidToken)?;
        let credential = Credential::Public { claims, token: Secret::new(bearer) };
        return Ok(Caller { environment, index, credential });
    }
    environments
        .iter()
        .enumerate()
        .find_map(|(index, environment)| {
            let credential = if environment.root_key.expose() == bearer {
                Credential::Root
            } else {
                let key = environment.additional_keys.iter().find(|key| key.key.expose() == bearer)?;
                Credential::Additional(key.scopes.clone())
            };
            Some(Caller { environment, index, credential })
        })
        .ok_or(Refusal::UnknownKey)
}

impl Caller<'_> {
    /// Whether the caller may do `action` on any one of `resources`.
    pub(super) fn may(&self, action: &str, resources: &[Resource<'_>]) -> bool {
        match &self.credential {
            Credential::Root => true,
            Credential::Additional(scopes) => grants(scopes, action, resources),
            Credential::Public { claims, .. } => grants(&claims.scopes, action, resources),
        }
    }

    /// The columns that the token leaves out.
    pub(super) fn skipped_columns(&self) -> impl Iterator<Item = &str> {
        self.claims().into_iter().flat_map(|claims| &claims.skip_columns).map(String::as_str)
    }

    /// The token, if it is for one use.
    pub(super) fn one_time_token(&self) -> Option<&Secret> {
        match &self.credential {
            Credential::Public { claims, token } => claims.otu.then_some(token),
            Credential::Root | Credential::Additional(_) => None,
        }
    }

    /// When the token expires, in Unix milliseconds; `u64::MAX` for a credential that does not.
    pub(super) fn expires_ms(&self) -> u64 {
        self.claims()
            .and_then(|claims| Duration::try_from_secs_f64(claims.exp?).ok())
            .map_or(u64::MAX, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether it is a public token.
    pub(super) fn is_public(&self) -> bool {
        self.claims().is_some()
    }

    fn claims(&self) -> Option<&PublicClaims> {
        match &self.credential {
            Credential::Public { claims, .. } => Some(claims),
            Credential::Root | Credential::Additional(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn environments() -> Vec<Environment> {
        vec![Environment {
            id: "env_1".into(),
            root_key: Secret::new("tr_dev_root"),
            additional_keys: vec![AdditionalKey { key: Secret::new("tr_dev_sk_a"), scopes: vec!["read:runs".into()] }],
            max_connections: None,
        }]
    }

    fn token(claims: &Value, key: &str) -> String {
        jwt::mint(claims.as_object().cloned().unwrap_or_default(), &Secret::new(key), 0, 100).expect("a token")
    }

    #[test]
    fn a_stranger_is_told_what_is_wrong_in_the_servers_words() {
        let environments = environments();
        let refused = |bearer: Option<&str>| authenticate(&environments, bearer, 50).err();
        let public = json!({ "sub": "env_1", "pub": true });
        assert_eq!(refused(None), Some(Refusal::Missing));
        assert_eq!(refused(Some("tr_dev_wrong")), Some(Refusal::UnknownKey));
        assert_eq!(refused(Some(&token(&public, "another key"))), Some(Refusal::InvalidToken));
        assert_eq!(
            refused(Some(&token(&json!({ "sub": "env_2", "pub": true }), "tr_dev_root"))),
            Some(Refusal::UnknownEnvironment)
        );
        assert_eq!(refused(Some(&token(&public, "tr_dev_root"))), None);
    }

    #[test]
    fn scopes_grant_what_the_server_grants() {
        let environments = environments();
        let may = |scopes: Value, action: &str| {
            let token = token(&json!({ "sub": "env_1", "pub": true, "scopes": scopes }), "tr_dev_root");
            let caller = authenticate(&environments, Some(&token), 50).expect("a caller");
            caller.may(action, &[Resource::one("runs", "run_1"), Resource::one("tags", "a:b")])
        };
        for scopes in [
            json!(["read:runs:run_1"]),
            json!(["read:runs"]),
            json!(["read:all"]),
            json!(["*:runs"]),
            json!(["admin"]),
            json!(["read:tags:a:b"]),
        ] {
            assert!(may(scopes.clone(), "read"), "{scopes}");
        }
        for scopes in [
            json!([]),
            json!(["read:runs:run_2"]),
            json!(["write:runs:run_1"]),
            json!(["read"]),
            json!(["admin:runs:run_2"]),
            json!(["read:tags:a"]),
        ] {
            assert!(!may(scopes.clone(), "read"), "{scopes}");
        }
    }
}
