//! Tokens that JavaScript renews (defect 5).
//!
//! Native code never calls JavaScript. The next batch of a waiting reader carries the request for a token
//! (`"wantsToken": true`); JavaScript then has to call `supply` or `refuse` once.

use napi::bindgen_prelude::External;
use napi_derive::napi;

use super::client::Client;
use super::error::failure;
use crate::config::Endpoint;
use crate::credential;
use crate::secret::Secret;

/// A token and its renewal. One per configuration; subscriptions with the same credential share feeds.
#[napi]
#[derive(Debug)]
pub struct Credential {
    inner: credential::Credential,
}

#[napi]
impl Credential {
    /// A credential whose first token is `token`.
    #[napi(constructor)]
    pub fn new(token: String) -> Self {
        Self { inner: credential::Credential::new(Secret::new(token)) }
    }

    /// Supplies another token: the requests that wait for it go on.
    #[napi(catch_unwind)]
    pub fn supply(&self, token: String) {
        self.inner.supply(Secret::new(token));
    }

    /// Reports that there is no other token: the requests that wait for it end with the server's refusal.
    #[napi(catch_unwind)]
    pub fn refuse(&self) {
        self.inner.refuse();
    }

    /// Whether the present token should be renewed now.
    #[napi(catch_unwind)]
    pub fn is_due(&self) -> bool {
        self.inner.is_due(crate::clock::unix_ms())
    }
}

/// The same client, with a token that is renewed.
#[napi(catch_unwind)]
pub fn with_credential(client: &External<Client>, credential: &Credential) -> External<Client> {
    let endpoint = client.endpoint.clone().with_credential(credential.inner.clone());
    External::new(Client { endpoint, ..Client::clone(client) })
}

/// The error of a `token` that cannot be one, as text; `null` when it can.
#[napi(catch_unwind)]
pub fn check_token(client: &External<Client>, token: String) -> Option<String> {
    let endpoint = &client.endpoint;
    Endpoint::new(endpoint.base_url(), &token, endpoint.branch()).err().map(|error| failure(&error))
}

/// The output of `work`; or `None` as soon as a token is requested, which JavaScript then has to supply or
/// refuse. `work` has to be cancel safe.
pub(super) async fn unless_token_requested<T>(endpoint: &Endpoint, work: impl Future<Output = T>) -> Option<T> {
    let Some(credential) = endpoint.credential() else { return Some(work.await) };
    tokio::select! {
        biased;
        outcome = work => Some(outcome),
        () = credential.requested() => None,
    }
}
