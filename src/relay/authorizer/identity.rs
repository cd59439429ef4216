//! Identifies a viewer by its bearer token, without a request to the server (A1, A3; docs/server-protocol.md 3). Pure.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::config::KeyKind;
use crate::secret::Secret;
use crate::token::{Invalid, PublicClaims, inspect, verify};

/// How far the clocks of relay and token may differ, in seconds.
pub(super) const LEEWAY: u32 = 5;

/// The identity that a bearer token proves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Identity {
    /// A public token that the relay's key signed.
    Verified(PublicClaims),
    /// A public token that only the server can check: of another key of this environment. Of its claims, only `exp` and
    /// `skipColumns` are used, which take rights away and never give any.
    Unverified(PublicClaims),
    /// The relay's own secret key, which a server sent. It may read everything; its proxied requests carry the key that
    /// it sent itself.
    OwnKey,
    /// Nothing: the 401, in the server's words.
    Rejected(&'static str),
}

/// The relay's own key, and the environment that the key belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayKey<'a> {
    /// The key.
    pub(crate) key: &'a Secret,
    /// The kind of the key, which says what it can do.
    pub(crate) kind: KeyKind,
    /// The environment's id, where the relay has learned it.
    pub(crate) sub: Option<&'a str>,
}

/// Identifies the sender of a bearer token at `now` (Unix seconds).
pub(crate) fn identify(bearer: Option<&str>, own: RelayKey<'_>, now: i64) -> Identity {
    let Some(bearer) = bearer.filter(|bearer| !bearer.is_empty()) else {
        return Identity::Rejected("Invalid or Missing API key");
    };
    let is_secret = match own.kind {
        KeyKind::Root | KeyKind::Additional => true,
        KeyKind::Run | KeyKind::Public => false,
    };
    if is_secret && verify_slices_are_equal(bearer.as_bytes(), own.key.expose().as_bytes()).is_ok() {
        return Identity::OwnKey;
    }
    // The signature is checked last, so that only a token that is valid otherwise costs a probe.
    let claims = match inspect(bearer, now, LEEWAY) {
        Ok(claims) => claims,
        Err(why) => return Identity::Rejected(words(why, bearer)),
    };
    if own.sub.is_some_and(|sub| sub != claims.sub) {
        return Identity::Rejected("Invalid Public Access Token");
    }
    match own.kind {
        KeyKind::Root if verify(bearer, own.key, now, LEEWAY).is_ok() => Identity::Verified(claims),
        KeyKind::Root | KeyKind::Additional | KeyKind::Run | KeyKind::Public => Identity::Unverified(claims),
    }
}

/// The server's words (recorded: `errors-auth`). The server takes a token that is no public token for a key.
fn words(why: Invalid, bearer: &str) -> &'static str {
    match why {
        Invalid::NotPublic => "Invalid API key",
        Invalid::Malformed if bearer.split('.').count() != 3 => "Invalid API key",
        Invalid::Malformed
        | Invalid::Algorithm
        | Invalid::Signature
        | Invalid::Issuer
        | Invalid::Audience
        | Invalid::Expired
        | Invalid::NotYet => "Public Access Token is invalid",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Expiry, Grant, Minter, Use};
    use serde_json::{Map, json};

    const NOW: i64 = 1_800_000_000;

    fn own(key: &Secret, kind: KeyKind) -> RelayKey<'_> {
        RelayKey { key, kind, sub: Some("env_1") }
    }

    fn token(key: &str, sub: &str) -> String {
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(sub));
        claims.insert("pub".into(), json!(true));
        let grant =
            Grant { usage: Use::Public, scopes: Some(r#"["read:runs"]"#), realtime: None, expiry: Expiry::Default };
        Minter::new(&Secret::new(key), &claims).mint(&grant, NOW).expect("a token")
    }

    fn verdict(bearer: &str, now: i64) -> Identity {
        identify(Some(bearer), own(&Secret::new("tr_dev_root"), KeyKind::Root), now)
    }

    #[test]
    fn a_token_of_our_key_is_known_and_one_of_another_key_is_asked() {
        assert!(matches!(verdict(&token("tr_dev_root", "env_1"), NOW), Identity::Verified(_)));
        assert!(matches!(verdict(&token("tr_dev_rotated", "env_1"), NOW), Identity::Unverified(_)));
        let additional = Secret::new("tr_dev_sk_000000000000000000000000");
        let asked = identify(Some(&token("x", "env_1")), own(&additional, KeyKind::Additional), NOW);
        assert!(matches!(asked, Identity::Unverified(_)));
    }

    #[test]
    fn what_can_never_be_valid_is_refused_in_the_servers_words_and_asked_of_nobody() {
        let invalid = Identity::Rejected("Public Access Token is invalid");
        let good = token("tr_dev_root", "env_1");
        let (message, signature) = good.rsplit_once('.').expect("a JWT");
        let (_, payload) = message.split_once('.').expect("a JWT");
        assert_eq!(verdict(&good, NOW + 900 + 5), invalid);
        assert!(matches!(verdict(&good, NOW + 900 + 4), Identity::Verified(_)));
        // {"alg":"none"}
        assert_eq!(verdict(&format!("eyJhbGciOiJub25lIn0.{payload}.{signature}"), NOW), invalid);
        assert_eq!(verdict(&format!("eyJhbGciOiJub25lIn0.{payload}."), NOW), invalid);
        let other = token("tr_dev_other", "env_2");
        assert_eq!(verdict(&other, NOW), Identity::Rejected("Invalid Public Access Token"));
        let ours_elsewhere = token("tr_dev_root", "env_2");
        assert_eq!(verdict(&ours_elsewhere, NOW), Identity::Rejected("Invalid Public Access Token"));
        assert_eq!(verdict("tr_dev_wrong", NOW), Identity::Rejected("Invalid API key"));
        let key = Secret::new("tr_dev_root");
        for nothing in [None, Some("")] {
            let verdict = identify(nothing, own(&key, KeyKind::Root), NOW);
            assert_eq!(verdict, Identity::Rejected("Invalid or Missing API key"));
        }
    }

    #[test]
    fn the_relays_own_key_is_a_server() {
        assert_eq!(verdict("tr_dev_root", NOW), Identity::OwnKey);
        assert_eq!(verdict("tr_dev_roo", NOW), Identity::Rejected("Invalid API key"));
    }
}
