//! The issuer and the audience of public tokens (docs/server-protocol.md 3).

/// The `iss` claim of every public token.
pub const ISSUER: &str = "https://id.trigger.dev";
/// The `aud` claim of every public token.
pub const AUDIENCE: &str = "https://api.trigger.dev";
