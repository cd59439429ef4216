//! What a feed is about, as far as the environment's feed can tell of it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::KeyKind;
use crate::hub::spec::FeedSpec;
use crate::run::elements;
use crate::table::Row;
use crate::timestamp::parse_utc;

/// The path of the feeds of one run, before its id.
const RUN: &str = "/realtime/v1/runs/";
/// The path of tag feeds, and of the feed of the whole environment (docs/server-protocol.md 7).
pub(super) const RUNS: &str = "/realtime/v1/runs";

/// The subject of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A run, by its id.
    Run(Arc<str>),
    /// The runs that have all of these tags.
    Tags(Arc<[Arc<str>]>),
    /// A batch, the runs that a public token may read, or anything else: no row of the environment's feed says that it
    /// belongs to it.
    Other,
}

impl Subject {
    /// The subject of a feed, by its path and query.
    pub(super) fn of(spec: &FeedSpec) -> Self {
        // A public token may be of another environment than that which the key's feed tells of.
        if spec.endpoint.kind() == KeyKind::Public {
            return Self::Other;
        }
        if &*spec.path == RUNS {
            let tags = spec.query.iter().find(|(name, _)| *name == "tags").map_or("", |(_, tags)| tags);
            let tags: Arc<[Arc<str>]> = tags.split(',').filter(|tag| !tag.is_empty()).map(Arc::from).collect();
            return if tags.is_empty() { Self::Other } else { Self::Tags(tags) };
        }
        match spec.path.strip_prefix(RUN) {
            // An id that had to be encoded is none of the server's.
            Some(id) if !id.is_empty() && !id.contains(['/', '%']) => Self::Run(id.into()),
            Some(_) | None => Self::Other,
        }
    }
}

/// The tags of a row: an array literal of Postgres.
pub(super) fn tags_of(row: &Row) -> Vec<String> {
    let tags = row.get("runTags").and_then(|literal| elements(literal).ok()).unwrap_or_default();
    tags.into_iter().flatten().map(Cow::into_owned).collect()
}

/// When the run of a row was created, in Unix milliseconds.
pub(super) fn created_ms(row: &Row) -> Option<u64> {
    row.get("createdAt").and_then(parse_utc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Endpoint;
    use crate::connection::RetryPolicy;

    fn subject(path: &str, query: &[(&'static str, &str)]) -> Subject {
        let endpoint = Endpoint::new("http://a.b", "tr_dev_1234567890", None).expect("valid");
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Subject::of(&FeedSpec { endpoint, path: path.into(), query, retry: RetryPolicy::default() })
    }

    #[test]
    fn what_a_public_token_reads_is_not_told_by_the_feed_of_an_environment_that_may_be_another() {
        let token = "e30.eyJwdWIiOnRydWUsInN1YiI6ImVudl8xIn0.c2ln";
        let endpoint = Endpoint::new("http://a.b", token, None).expect("valid");
        let path = "/realtime/v1/runs/run_1".into();
        let spec = FeedSpec { endpoint, path, query: [].into(), retry: RetryPolicy::default() };
        assert_eq!(Subject::of(&spec), Subject::Other);
    }

    #[test]
    fn the_environments_feed_can_tell_of_runs_and_tags_and_of_nothing_else() {
        assert_eq!(subject("/realtime/v1/runs/run_1", &[]), Subject::Run("run_1".into()));
        let tags = Subject::Tags(["a".into(), "b".into()].into());
        assert_eq!(subject("/realtime/v1/runs", &[("createdAt", "1h"), ("tags", "a,b")]), tags);
        for (path, query) in [
            ("/realtime/v1/batches/batch_1", [].as_slice()),
            ("/realtime/v1/runs", &[]),
            ("/realtime/v1/runs", &[("tags", "")]),
            ("/realtime/v1/runs/", &[]),
            ("/realtime/v1/runs/a%2Fb", &[]),
            ("/realtime/v1/runs/a/b", &[]),
        ] {
            assert_eq!(subject(path, query), Subject::Other, "{path}");
        }
    }
}
