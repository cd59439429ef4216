//! Who a viewer is, and what it may read: decided here, without asking anyone (docs/server-protocol.md 3,
//! docs/relay-access.md). Pure.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::config::KeyKind;
use crate::secret::Secret;
use crate::token::{Invalid, PublicClaims, Resource, grants, inspect, verify};

/// How far clocks may differ, in seconds.
pub(super) const LEEWAY: u32 = 5;

/// Whom a viewer's bearer token shows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The holder of a token that is valid.
    Known(PublicClaims),
    /// The holder of a token that only the server can check: of another key of this environment. What it says is only
    /// a claim, good for its `exp`, and for `skipColumns`, which take away and never give.
    Ask(PublicClaims),
    /// Whoever has the relay's own secret key: a server. It may read everything; what is passed through goes with the
    /// key that it sent itself.
    OwnKey,
    /// Nobody the server knows: 401, in its words.
    Refused(&'static str),
}

/// What the relay knows of its own environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    /// Its key.
    pub(crate) key: &'a Secret,
    /// What that can do.
    pub(crate) kind: KeyKind,
    /// The environment's id, where it has been learned.
    pub(crate) sub: Option<&'a str>,
}

/// Recognises a viewer at `now` (Unix seconds).
pub(crate) fn recognise(bearer: Option<&str>, own: Own<'_>, now: i64) -> Verdict {
    let Some(bearer) = bearer.filter(|bearer| !bearer.is_empty()) else {
        return Verdict::Refused("Invalid or Missing API key");
    };
    let is_secret = match own.kind {
        KeyKind::Root | KeyKind::Additional => true,
        KeyKind::Run | KeyKind::Public => false,
    };
    if is_secret && verify_slices_are_equal(bearer.as_bytes(), own.key.expose().as_bytes()).is_ok() {
        return Verdict::OwnKey;
    }
    // The form first, the signature last: only what is otherwise well-formed is worth a question.
    let claims = match inspect(bearer, now, LEEWAY) {
        Ok(claims) => claims,
        Err(why) => return Verdict::Refused(words(why, bearer)),
    };
    if own.sub.is_some_and(|sub| sub != claims.sub) {
        return Verdict::Refused("Invalid Public Access Token");
    }
    match own.kind {
        KeyKind::Root if verify(bearer, own.key, now, LEEWAY).is_ok() => Verdict::Known(claims),
        KeyKind::Root | KeyKind::Additional | KeyKind::Run | KeyKind::Public => Verdict::Ask(claims),
    }
}

/// The server's words (recorded: `errors-auth`). It takes what is no public token for a key.
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

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// A run, or one of its streams.
    Run(&'a str),
    /// The runs with all of these tags.
    Tags(&'a [String]),
    /// The runs of a batch.
    Batch(&'a str),
}

/// What a run's row says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunFacts<'a> {
    /// `taskIdentifier`.
    pub(crate) task: &'a str,
    /// `runTags`.
    pub(crate) tags: &'a [String],
}

/// Whether a viewer may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It may.
    Yes,
    /// It may not: 403.
    No,
    /// The run's row is needed: for what it says, or to tell an unknown run's 404 from a 403
    /// (docs/server-protocol.md 3). Only for a run, and only without facts.
    NeedsFacts,
    /// Only the server knows: rows do not name the batch of a run. A viewer without a token (`authorize`) has nobody
    /// to ask, and may not.
    AskServer,
}

/// Decides for a token's scopes, or those that `authorize` granted. A token for one use opens feeds as any other: using
/// it up is a matter of triggering.
pub(crate) fn decide<S: AsRef<str>>(scopes: &[S], subject: Subject<'_>, facts: Option<RunFacts<'_>>) -> Decision {
    let may = |resources: &[Resource<'_>]| grants(scopes, "read", resources);
    let yes_or_no = |may: bool| if may { Decision::Yes } else { Decision::No };
    match subject {
        Subject::Tags(tags) => {
            let mut resources = vec![Resource::every("runs"), Resource::every("tags")];
            resources.extend(tags.iter().map(|tag| Resource::one("tags", tag)));
            yes_or_no(may(&resources))
        }
        Subject::Batch(id) => yes_or_no(may(&[Resource::one("batch", id), Resource::every("runs")])),
        Subject::Run(id) => {
            let mut resources = vec![Resource::one("runs", id)];
            if let Some(facts) = facts {
                resources.push(Resource::one("tasks", facts.task));
                resources.extend(facts.tags.iter().map(|tag| Resource::one("tags", tag)));
            }
            if may(&resources) {
                Decision::Yes
            } else if facts.is_none() {
                Decision::NeedsFacts
            } else {
                // A scope on batches may match the run's, which only the server knows.
                let batches = scopes.iter().any(|scope| {
                    let scope = crate::token::Scope::parse(scope.as_ref());
                    scope.kind == Some("batch") && (scope.action == "read" || scope.action == "*")
                });
                if batches { Decision::AskServer } else { Decision::No }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Expiry, Grant, Minter, Use};
    use proptest::prelude::*;
    use serde_json::{Map, json};

    const NOW: i64 = 1_800_000_000;

    fn own(key: &Secret, kind: KeyKind) -> Own<'_> {
        Own { key, kind, sub: Some("env_1") }
    }

    fn token(key: &str, sub: &str) -> String {
        let mut claims = Map::new();
        claims.insert("sub".into(), json!(sub));
        claims.insert("pub".into(), json!(true));
        let grant =
            Grant { usage: Use::Public, scopes: Some(r#"["read:runs"]"#), realtime: None, expiry: Expiry::Default };
        Minter::new(&Secret::new(key), &claims).mint(&grant, NOW).expect("a token")
    }

    fn verdict(bearer: &str, now: i64) -> Verdict {
        recognise(Some(bearer), own(&Secret::new("tr_dev_root"), KeyKind::Root), now)
    }

    #[test]
    fn a_token_of_our_key_is_known_and_one_of_another_key_is_asked() {
        assert!(matches!(verdict(&token("tr_dev_root", "env_1"), NOW), Verdict::Known(_)));
        assert!(matches!(verdict(&token("tr_dev_rotated", "env_1"), NOW), Verdict::Ask(_)));
        let additional = Secret::new("tr_dev_sk_000000000000000000000000");
        let asked = recognise(Some(&token("x", "env_1")), own(&additional, KeyKind::Additional), NOW);
        assert!(matches!(asked, Verdict::Ask(_)));
    }

    #[test]
    fn what_can_never_be_valid_is_refused_in_the_servers_words_and_asked_of_nobody() {
        let invalid = Verdict::Refused("Public Access Token is invalid");
        let good = token("tr_dev_root", "env_1");
        let (message, signature) = good.rsplit_once('.').expect("a JWT");
        let (_, payload) = message.split_once('.').expect("a JWT");
        assert_eq!(verdict(&good, NOW + 900 + 5), invalid);
        assert!(matches!(verdict(&good, NOW + 900 + 4), Verdict::Known(_)));
        // {"alg":"none"}
        assert_eq!(verdict(&format!("eyJhbGciOiJub25lIn0.{payload}.{signature}"), NOW), invalid);
        assert_eq!(verdict(&format!("eyJhbGciOiJub25lIn0.{payload}."), NOW), invalid);
        let other = token("tr_dev_other", "env_2");
        assert_eq!(verdict(&other, NOW), Verdict::Refused("Invalid Public Access Token"));
        let ours_elsewhere = token("tr_dev_root", "env_2");
        assert_eq!(verdict(&ours_elsewhere, NOW), Verdict::Refused("Invalid Public Access Token"));
        assert_eq!(verdict("tr_dev_wrong", NOW), Verdict::Refused("Invalid API key"));
        let key = Secret::new("tr_dev_root");
        for nothing in [None, Some("")] {
            let verdict = recognise(nothing, own(&key, KeyKind::Root), NOW);
            assert_eq!(verdict, Verdict::Refused("Invalid or Missing API key"));
        }
    }

    #[test]
    fn the_relays_own_key_is_a_server() {
        assert_eq!(verdict("tr_dev_root", NOW), Verdict::OwnKey);
        assert_eq!(verdict("tr_dev_roo", NOW), Verdict::Refused("Invalid API key"));
    }

    /// docs/server-protocol.md 3, written down a second time: a scope as its three parts, a request as pairs.
    fn model(scopes: &[String], resources: &[(&str, Option<&str>)]) -> bool {
        scopes.iter().any(|scope| {
            let (action, rest) = scope.split_once(':').unwrap_or((scope, ""));
            let (kind, id) = rest.split_once(':').unwrap_or((rest, ""));
            if scope == "admin" {
                return true;
            }
            (action == "read" || action == "*")
                && !kind.is_empty()
                && resources
                    .iter()
                    .any(|(of, one)| kind == "all" || (kind == *of && (id.is_empty() || Some(id) == *one)))
        })
    }

    fn scope() -> impl Strategy<Value = String> {
        let action = prop_oneof![Just("read"), Just("write"), Just("*"), Just("admin"), Just("trigger")];
        let kind = prop_oneof![Just("runs"), Just("tags"), Just("tasks"), Just("batch"), Just("all"), Just("")];
        let id = prop_oneof![Just(""), Just(":"), Just(":a"), Just(":b"), Just(":a:b"), Just(":c")];
        (action, proptest::option::of((kind, id))).prop_map(|(action, rest)| match rest {
            Some((kind, id)) => format!("{action}:{kind}{id}"),
            None => action.to_owned(),
        })
    }

    proptest! {
        #[test]
        fn decisions_are_those_of_the_table(
            scopes in proptest::collection::vec(scope(), 0..4),
            id in "[abc]",
            task in "[abc]",
            tags in proptest::collection::vec(prop_oneof![Just("a".to_owned()), Just("a:b".to_owned())], 0..3),
            batch in proptest::option::of("[abc]"),
        ) {
            let mut of_tags: Vec<(&str, Option<&str>)> = vec![("runs", None), ("tags", None)];
            of_tags.extend(tags.iter().map(|tag| ("tags", Some(tag.as_str()))));
            prop_assert_eq!(decide(&scopes, Subject::Tags(&tags), None) == Decision::Yes, model(&scopes, &of_tags));

            let of_batch = [("batch", Some(id.as_str())), ("runs", None)];
            prop_assert_eq!(decide(&scopes, Subject::Batch(&id), None) == Decision::Yes, model(&scopes, &of_batch));

            let mut of_run = vec![("runs", Some(id.as_str())), ("tasks", Some(task.as_str()))];
            of_run.extend(tags.iter().map(|tag| ("tags", Some(tag.as_str()))));
            of_run.extend(batch.as_deref().map(|batch| ("batch", Some(batch))));
            let expected = model(&scopes, &of_run);
            let facts = RunFacts { task: &task, tags: &tags };
            match decide(&scopes, Subject::Run(&id), Some(facts)) {
                Decision::Yes => prop_assert!(expected),
                Decision::No => prop_assert!(!expected),
                // The server is asked only where the answer can depend on the batch.
                Decision::AskServer => prop_assert!(scopes.iter().any(|scope| scope.contains(":batch"))),
                Decision::NeedsFacts => prop_assert!(false, "the facts were given"),
            }
            match decide(&scopes, Subject::Run(&id), None) {
                Decision::Yes => prop_assert!(expected),
                Decision::NeedsFacts => {}
                Decision::No | Decision::AskServer => prop_assert!(false, "a 404 comes before a 403"),
            }
        }
    }
}
