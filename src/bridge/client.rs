//! A checked configuration, held by JavaScript.

use std::sync::{Arc, OnceLock};

use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;

use super::error::failure;
use crate::config::Endpoint;
use crate::error::{Error, ErrorCode, Result};
use crate::http::ClientOptions;
use crate::token::Minter;

/// The endpoint and the options of every call.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) options: Arc<ClientOptions>,
    /// Set once the claims are known, so that minting needs no look-up.
    pub(super) minter: Arc<OnceLock<Arc<Minter>>>,
}

/// The client of a configuration, or a failure.
#[napi(catch_unwind)]
pub fn client(
    base_url: String,
    key: String,
    branch: Option<String>,
    options: String,
) -> Either<External<Client>, String> {
    match build(&base_url, &key, branch.as_deref(), &options) {
        Ok(client) => Either::A(External::new(client)),
        Err(error) => Either::B(failure(&error)),
    }
}

fn build(base_url: &str, key: &str, branch: Option<&str>, options: &str) -> Result<Client> {
    let options = serde_json::from_str(options).map_err(|error| {
        Error::new(ErrorCode::InvalidRequestOptions, "requestOptions cannot be read").with_source(error)
    })?;
    Ok(Client { endpoint: Endpoint::new(base_url, key, branch)?, options: Arc::new(options), minter: Arc::default() })
}
