//! The endpoint of one client: its base URL, key and branch.
//!
//! JavaScript resolves options and environment variables (docs/server-protocol.md 1) and hands the
//! result over; this module checks it, and classifies its key (docs/server-protocol.md 2).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::credential::Credential;
use crate::error::{Error, ErrorCode, Result};
use crate::secret::Secret;

/// The kind of a key, which decides what it can do (docs/server-protocol.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A root secret key: signs public tokens locally. Also a key of an unknown form, as in the official
    /// SDK: self-hosted servers can have keys of their own form.
    Root,
    /// `tr_<env>_sk_<24>`: tokens come from the server.
    Additional,
    /// The token of a run (`typ: run+jwt`): tokens come from the server.
    Run,
    /// A public token (`pub: true`): acts within its scopes, never signs.
    Public,
}

/// A base URL, a key and a branch. Cheap to clone. Two are equal when all three are equal; where the
/// token is renewed, the credential counts in place of the key.
#[derive(Clone)]
pub struct Endpoint {
    base_url: Arc<str>,
    key: Secret,
    branch: Option<Arc<str>>,
    kind: KeyKind,
    credential: Option<Credential>,
}

impl Endpoint {
    /// Checks the three. Spaces around the base URL and a trailing `/` are dropped; an empty branch is
    /// none.
    ///
    /// # Errors
    /// `ERR_INVALID_BASE_URL`, `ERR_MISSING_ACCESS_TOKEN`, `ERR_INVALID_ACCESS_TOKEN` (a key with
    /// characters that no header can carry), `ERR_INVALID_BRANCH`.
    pub fn new(base_url: &str, key: &str, branch: Option<&str>) -> Result<Self> {
        // A URL is parsed without the spaces and control characters at its ends; a path comes behind it here.
        let whole = base_url.trim_matches(|letter| letter <= ' ');
        let trimmed = whole.trim_end_matches('/');
        let fits = url::Url::parse(whole).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if !fits {
            return Err(Error::new(
                ErrorCode::InvalidBaseUrl,
                "the base URL is not an http(s) URL: set baseURL or TRIGGER_API_URL to something like \"https://api.trigger.dev\"",
            ));
        }
        if key.trim().is_empty() {
            return Err(Error::new(
                ErrorCode::MissingAccessToken,
                "no access token: set TRIGGER_SECRET_KEY, or pass accessToken to configure()",
            ));
        }
        if !key.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
            return Err(Error::new(
                ErrorCode::InvalidAccessToken,
                "the access token holds a space, a line break or a character outside ASCII: check that it was copied whole and is not quoted",
            ));
        }
        if let Some(quote) = quoted(key) {
            return Err(Error::new(
                ErrorCode::InvalidAccessToken,
                format!(
                    "the access token begins or ends with {quote}: it is written without quotes where no shell takes them off, such as in a container's env file"
                ),
            ));
        }
        let branch = branch.filter(|branch| !branch.is_empty());
        if branch.is_some_and(|branch| http::HeaderValue::from_str(branch).is_err()) {
            return Err(Error::new(
                ErrorCode::InvalidBranch,
                "the preview branch holds a character that no header can carry",
            ));
        }
        Ok(Self {
            base_url: trimmed.into(),
            key: Secret::new(key),
            branch: branch.map(Into::into),
            kind: classify(key),
            credential: None,
        })
    }

    /// The same endpoint with a token that is renewed (defect 5).
    #[must_use]
    pub fn with_credential(self, credential: Credential) -> Self {
        Self { credential: Some(credential), ..self }
    }

    /// The credential that renews the token, if there is one.
    pub fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// The token that authorizes a request now: the credential's present token, else the key.
    pub fn token(&self) -> Secret {
        self.credential.as_ref().map_or_else(|| self.key.clone(), Credential::token)
    }

    /// The base URL, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The key the endpoint was made with: for signing. Requests go out with [`Endpoint::token`].
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// The branch, sent as `x-trigger-branch`.
    pub fn branch(&self) -> Option<&str> {
        self.branch.as_deref()
    }

    /// The id of the environment that a public token names (`sub`). Not verified: it tells tokens apart, and allows
    /// nothing.
    pub fn environment_id(&self) -> Option<String> {
        let claims = json_part(self.token().expose().split('.').nth(1)?)?;
        claims["sub"].as_str().map(str::to_owned)
    }

    /// The kind of the key.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A base URL can hold a user name and a password, and be spelled in ways that only a parser of URLs finds them in.
        let base_url = match url::Url::parse(&self.base_url) {
            Ok(url) if url.username().is_empty() && url.password().is_none() => self.base_url.to_string(),
            Ok(url) => {
                let host = url.host_str().unwrap_or_default();
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://(secret)@{host}{port}{}", url.scheme(), url.path().trim_end_matches('/'))
            }
            Err(_) => String::new(),
        };
        f.debug_struct("Endpoint")
            .field("base_url", &base_url)
            .field("key", &self.key)
            .field("branch", &self.branch)
            .field("kind", &self.kind)
            .field("credential", &self.credential)
            .finish()
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        let same_access = match (&self.credential, &other.credential) {
            (Some(mine), Some(other)) => mine == other,
            (None, None) => self.key == other.key,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_access && self.base_url == other.base_url && self.branch == other.branch
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.base_url.hash(state);
        match &self.credential {
            Some(credential) => credential.hash(state),
            None => self.key.hash(state),
        }
        self.branch.hash(state);
    }
}

/// The quote that a key begins or ends with. No valid key has one.
fn quoted(key: &str) -> Option<char> {
    let ends = [key.chars().next(), key.chars().next_back()];
    ends.into_iter().flatten().find(|end| matches!(end, '"' | '\'' | '`'))
}

/// Classifies a key by its form alone. A routing hint, never a check of its validity.
fn classify(key: &str) -> KeyKind {
    if is_additional(key) {
        return KeyKind::Additional;
    }
    let mut parts = key.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return KeyKind::Root;
    };
    if json_part(header).is_some_and(|header| header["typ"] == "run+jwt") {
        KeyKind::Run
    } else if json_part(payload).is_some_and(|payload| payload["pub"] == true) {
        KeyKind::Public
    } else {
        KeyKind::Root
    }
}

fn is_additional(key: &str) -> bool {
    key.strip_prefix("tr_").and_then(|rest| rest.split_once("_sk_")).is_some_and(|(env, id)| {
        matches!(env, "dev" | "stg" | "prod" | "preview")
            && id.len() == 24
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn json_part(part: &str) -> Option<serde_json::Value> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    fn jwt(header: &str, payload: &str) -> String {
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(header), encode(payload))
    }

    #[test]
    fn keys_are_told_apart_by_their_form() {
        for (key, kind) in [
            ("tr_dev_abc", KeyKind::Root),
            ("tr_dev_sk_0123456789abcdefABCDEFGH", KeyKind::Additional),
            ("tr_preview_sk_0123456789abcdefABCDEFGH", KeyKind::Additional),
            ("tr_dev_sk_0123456789abcdefABCDEFG", KeyKind::Root),
            ("tr_test_sk_0123456789abcdefABCDEFGH", KeyKind::Root),
            ("my.own.key", KeyKind::Root),
            (&jwt("{\"alg\":\"HS256\"}", "{\"pub\":true}"), KeyKind::Public),
            (&jwt("{\"alg\":\"RS256\",\"typ\":\"run+jwt\"}", "{}"), KeyKind::Run),
        ] {
            assert_eq!(Endpoint::new("https://a.b", key, None).expect(key).kind(), kind, "{key}");
        }
    }

    #[test]
    fn a_trailing_slash_is_dropped_and_an_empty_branch_is_none() {
        let endpoint = Endpoint::new("http://127.0.0.1:3030/", "k", Some("")).expect("valid");
        assert_eq!((endpoint.base_url(), endpoint.branch()), ("http://127.0.0.1:3030", None));
    }

    #[test]
    fn a_password_in_a_base_url_is_not_shown_however_it_is_spelled() {
        for (given, shown) in [
            ("http://user:hidden@a.b:3030/base/", "http://(secret)@a.b:3030/base"),
            ("http:/user:hidden@a.b", "http://(secret)@a.b"),
            ("HTTP:user:hidden@a.b/x@y", "http://(secret)@a.b/x@y"),
            ("http:\\\\user:hidden@a.b", "http://(secret)@a.b"),
            ("http://a.b/x@y", "http://a.b/x@y"),
        ] {
            let debug = format!("{:?}", Endpoint::new(given, "k", None).expect(given));
            assert!(!debug.contains("hidden") && debug.contains(&format!("base_url: {shown:?}")), "{given}: {debug}");
        }
    }

    #[test]
    fn a_base_url_that_was_copied_with_spaces_or_a_line_break_works() {
        for given in ["https://a.b ", " https://a.b/\n", "\thttps://a.b//\r\n", "https://a.b/\u{b}"] {
            let endpoint = Endpoint::new(given, "k", None).expect(given);
            assert_eq!(endpoint.base_url(), "https://a.b", "{given:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_early_and_never_shown() {
        for (url, key, code) in [
            ("api.trigger.dev", "k", ErrorCode::InvalidBaseUrl),
            ("ftp://a.b", "k", ErrorCode::InvalidBaseUrl),
            ("https://a.b\u{11}/", "k", ErrorCode::InvalidBaseUrl),
            ("https://a.b/?x=1", "k", ErrorCode::InvalidBaseUrl),
            ("https://a.b", " ", ErrorCode::MissingAccessToken),
            ("https://a.b", "tr_dev_x\n", ErrorCode::InvalidAccessToken),
            ("https://a.b", "\"tr_dev_x\"", ErrorCode::InvalidAccessToken),
            ("https://a.b", "'tr_dev_x'", ErrorCode::InvalidAccessToken),
            ("https://a.b", "tr_dev_x'", ErrorCode::InvalidAccessToken),
        ] {
            let error = Endpoint::new(url, key, None).expect_err(code.as_str());
            assert_eq!(error.code(), code);
            assert!(!error.to_string().contains("tr_dev_x"));
        }
        let endpoint = Endpoint::new("https://a.b", "tr_dev_hidden", None).expect("valid");
        assert!(!format!("{endpoint:?}").contains("hidden"));
        let endpoint = Endpoint::new("https://me:hidden@a.b/c", "tr_dev_x", None).expect("valid");
        assert!(!format!("{endpoint:?}").contains("hidden"));
    }
}
