//! The version of the addon, which `js/native/native.js` holds against its own.

use napi_derive::napi;

/// As in `Cargo.toml`; a test holds it to the version of the npm package.
#[napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
