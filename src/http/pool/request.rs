//! Sends one GET over the pool, again at once where no server acted on it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, HeaderMap};
use http::response::Parts;
use http::{Request, Uri};
use tokio::time::{Instant, timeout};

use super::connection::PooledConnection;
use super::origin::Origin;
use crate::error::{Error, ErrorCode, Result};
use crate::http::error::silent;

/// A used connection that breaks within this time of a request may never have carried the request to
/// the server: servers close idle connections, and the notice of it can still be on its way.
const STALE: Duration = Duration::from_secs(1);

/// How often a request that no server acted on is sent again. Several connections can be going away
/// at once; a server that refuses more often than that is a failure.
const MAX_REPEATS: u32 = 5;

/// Gives the path of a request that is about to go out, encoded and with its query.
pub(super) type Latest<'a> = dyn FnMut() -> Result<String> + Send + 'a;

/// How a request went, up to the head of its response.
#[derive(Debug)]
pub(super) enum SendOutcome {
    /// The head; the body follows on the connection.
    Head(Parts, PooledConnection),
    /// No connection, or it broke before the head.
    Connect(Error),
    /// Not a byte within the silence time.
    Silent(Error),
}

/// Sends a GET on `idle` while that is open, else on a connection checked out of the pool. `target` gives its path and
/// query, encoded, once a connection is there. A request that is sent again waits for a turn.
///
/// # Errors
/// Only errors that no retry can mend: those of `target`, and a request that cannot be built.
pub(super) async fn send(
    origin: &Arc<Origin>,
    mut idle: Option<PooledConnection>,
    target: &mut Latest<'_>,
    headers: &HeaderMap,
    silence: Duration,
) -> Result<SendOutcome> {
    let mut repeats = 0;
    loop {
        let mut connection = match idle.take().filter(PooledConnection::is_open) {
            Some(connection) => connection,
            None => match timeout(silence, origin.checkout()).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return Ok(SendOutcome::Connect(error)),
                Err(_) => return Ok(SendOutcome::Connect(silent(silence))),
            },
        };
        // Boxed: a future keeps an argument that it takes by value, also after it has passed it on.
        let request = Box::new(build(origin, &connection, &target()?, headers)?);
        let (used, sent) = (connection.was_used(), Instant::now());
        match timeout(silence, connection.head(request)).await {
            Ok(Ok(head)) => return Ok(SendOutcome::Head(head, connection)),
            Ok(Err(failed)) => {
                let stale = used && repeats == 0 && sent.elapsed() < STALE;
                if !stale && (!failed.unsent || repeats >= MAX_REPEATS) {
                    return Ok(SendOutcome::Connect(failed.error));
                }
            }
            Err(_) => {
                connection.abandon();
                return Ok(SendOutcome::Silent(silent(silence)));
            }
        }
        repeats += 1;
        drop(connection);
        // After the match, whose outcome every waiting poll would hold the room of.
        Box::pin(origin.limiter().turn()).await;
    }
}

fn build(origin: &Origin, connection: &PooledConnection, target: &str, headers: &HeaderMap) -> Result<Request<()>> {
    let invalid = |error: http::Error| {
        Error::new(ErrorCode::InvalidRequest, "the request could not be built: check the base URL").with_source(error)
    };
    let builder = match connection {
        PooledConnection::Http1(_) => Request::get(target),
        PooledConnection::Http2(_) => Request::get(
            Uri::builder()
                .scheme(origin.scheme())
                .authority(origin.authority())
                .path_and_query(target)
                .build()
                .map_err(invalid)?,
        ),
    };
    let mut request = builder.body(()).map_err(invalid)?;
    request.headers_mut().clone_from(headers);
    match connection {
        PooledConnection::Http1(_) => drop(request.headers_mut().insert(HOST, origin.host())),
        // `:authority` stands for it.
        PooledConnection::Http2(_) => {}
    }
    Ok(request)
}
