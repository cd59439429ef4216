//! Renewal of the token of a connection (defect 5): shortly before it expires, and once when the server refuses it.

use super::state::ConnectionState;
use crate::clock::unix_ms;
use crate::config::Endpoint;
use crate::credential::{Credential, RENEWAL_TIMEOUT, Renewal};

/// A connection with a visible state.
pub(crate) trait Connection {
    /// The present state.
    fn state(&self) -> ConnectionState;

    /// Changes the state; listeners get a notice where it differs from the present one.
    fn enter(&self, state: ConnectionState);
}

/// The token's part in the requests of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenRenewal {
    /// The token was renewed after a refusal, and every response since was a refusal.
    renewed: bool,
}

impl TokenRenewal {
    /// Before a request: renews a token that is about to expire. The request is sent whatever comes of it, for the
    /// present token may still do.
    pub(crate) async fn before_request(&self, endpoint: &Endpoint, connection: &impl Connection) {
        if let Some(credential) = endpoint.credential()
            && credential.is_due(unix_ms())
        {
            Box::pin(renew(connection, credential, credential.generation())).await;
        }
    }

    /// After a request that was sent with the token `generation`: whether it is to be sent again, with the token that a
    /// renewal brought. `status`: of the response, where there was one. A second 401 in a row stands.
    pub(crate) async fn after_response(
        &mut self,
        endpoint: &Endpoint,
        connection: &impl Connection,
        (generation, status): (u64, Option<u16>),
    ) -> bool {
        let (Some(credential), Some(status)) = (endpoint.credential(), status) else { return false };
        if status != 401 {
            self.renewed = false;
            return false;
        }
        if std::mem::replace(&mut self.renewed, true) {
            return false;
        }
        Box::pin(renew(connection, credential, generation)).await == Renewal::Renewed
    }
}

/// The generation of the token that a request would be sent with now; 0 for a token that is not renewed.
pub(crate) fn generation(endpoint: &Endpoint) -> u64 {
    endpoint.credential().map_or(0, Credential::generation)
}

async fn renew(connection: &impl Connection, credential: &Credential, stale: u64) -> Renewal {
    let before = connection.state();
    connection.enter(ConnectionState::Refreshing);
    let renewal = credential.renew(stale, RENEWAL_TIMEOUT).await;
    connection.enter(before);
    renewal
}
