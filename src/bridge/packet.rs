//! Stored packets, fetched for a row.

use napi::Env;
use napi::bindgen_prelude::{External, Object};
use napi_derive::napi;
use serde_json::json;

use super::cancel::{Bounds, Cancel};
use super::client::Client;
use super::error::failure;
use super::promise::promise;
use crate::packet;

/// A promise of `{"ok": {"data", "type"}}`, the stored packet `field` of a run, or of an error. `cancel` ends it,
/// so that a reader that left does not wait for the store.
#[napi(catch_unwind)]
pub fn fetch_packet<'env>(
    env: &'env Env,
    client: &External<Client>,
    run_id: String,
    field: String,
    path: String,
    cancel: Option<&Cancel>,
) -> napi::Result<Object<'env>> {
    let client = Client::clone(client);
    let bounds = Bounds::new(cancel, None);
    promise(
        env,
        bounds.apply(async move {
            match packet::fetch(&client.endpoint, &client.options, &run_id, &field, &path).await {
                Ok(packet) => json!({ "ok": { "data": packet.data, "type": packet.kind } }).to_string(),
                Err(error) => failure(&error),
            }
        }),
    )
}
