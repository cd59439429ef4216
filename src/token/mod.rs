//! Public tokens: minting, verification and scopes (docs/server-protocol.md 2 and 3).
//!
//! Everything here is pure: time, randomness and responses are arguments.

mod claims;
mod expiry;
mod issuer;
mod mint;
mod period;
mod remote;
mod scope;
mod stringify;
mod verify;

pub use claims::{CLAIMS_PATH, ClaimsStore};
pub use expiry::Expiry;
pub use issuer::{AUDIENCE, ISSUER};
pub use mint::{Grant, Minter, Use};
pub use period::parse as parse_period;
pub use remote::{
    PUBLIC_TOKENS_PATH, explain_refusal as explain_remote_refusal, read_answer as read_remote_token,
    request_body as remote_body,
};
pub use scope::{Resource, Scope, grants};
pub use verify::{Invalid, PublicClaims, inspect, verify};
