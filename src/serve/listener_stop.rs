//! The end of the listener that a request came through, for responses that last.

use tokio_util::sync::CancellationToken;

/// An extension of a request that came through a listener of this package: it is cancelled when that listener stops, which
/// may be long before its relay does.
#[derive(Clone, Debug)]
pub(crate) struct ListenerStop(pub(crate) CancellationToken);
