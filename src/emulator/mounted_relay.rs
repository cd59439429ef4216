//! The relay that the emulator mounts at `/relay`: for the emulator's page, and for apps that point their hooks at it.

use std::io;
use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt as _;

use crate::config::Endpoint;
use crate::error::Result;
use crate::hub::BudgetOptions;
use crate::relay::{Options, Relay};
use crate::serve::Body;
use crate::serve::RequestBody;
use crate::serve::clock::Clock;

/// The path that it is mounted at.
const BASE: &str = "/relay";

/// A relay of the emulator at `url`, with the root key of the main environment.
///
/// # Errors
/// `ERR_INVALID_ACCESS_TOKEN` for a key that no header can carry.
pub(super) fn mount(url: &str, key: &str, clock: Clock) -> Result<Arc<Relay>> {
    let options = Options {
        base_path: Some(BASE.into()),
        // Its server is this process: no plan limits it.
        upstream: BudgetOptions { connections: Some(0), ..BudgetOptions::default() },
        ..Options::new(Endpoint::new(url, key, None)?)
    };
    Ok(Relay::with_clock(options, clock))
}

/// Whether a path is below the relay's.
pub(super) fn is_relayed(path: &str) -> bool {
    path.strip_prefix(BASE).is_some_and(|rest| rest.starts_with('/'))
}

/// Answers a request through the relay.
pub(super) async fn respond(relay: &Arc<Relay>, request: Request<RequestBody>) -> http::Response<Body> {
    relay.respond(request.map(|body| body.map_err(io::Error::other).boxed_unsync()), None).await
}
