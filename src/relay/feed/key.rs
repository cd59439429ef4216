//! The identity of a feed: two viewers share a feed if their keys are equal (F1). Pure.

use std::sync::Arc;

use crate::error::Result;
use crate::id;
use crate::serve::duration;

/// How far back a tag feed without `createdAt` goes, in milliseconds (recorded: a day).
const DEFAULT_WINDOW_MS: u64 = 86_400_000;

/// A distinct feed. The columns that its viewers leave out are not part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FeedKey {
    pub(super) kind: Kind,
    /// The path upstream, encoded.
    pub(super) path: Arc<str>,
    /// The feed's own parameters, sorted by name.
    pub(super) query: Arc<[(&'static str, String)]>,
}

/// The runs that a feed shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// One run.
    Run,
    /// Runs with tags, created in the last so many milliseconds.
    Tags { window_ms: u64 },
    /// The runs of a batch.
    Batch,
}

impl FeedKey {
    /// The feed of one run. `id` is not encoded.
    ///
    /// # Errors
    /// `ERR_INVALID_ID`: no run can have such an id.
    pub(crate) fn run(id: &str) -> Result<Self> {
        let path = format!("/realtime/v1/runs/{}", id::path_segment("run id", id)?);
        Ok(Self { kind: Kind::Run, path: path.into(), query: [].into() })
    }

    /// The feed of a batch's runs. `id` is not encoded.
    ///
    /// # Errors
    /// `ERR_INVALID_ID`: no batch can have such an id.
    pub(crate) fn batch(id: &str) -> Result<Self> {
        let path = format!("/realtime/v1/batches/{}", id::path_segment("batch id", id)?);
        Ok(Self { kind: Kind::Batch, path: path.into(), query: [].into() })
    }

    /// The feed of runs with all of some tags, by the parameters `tags` (several between commas) and `createdAt`. The
    /// order of tags does not matter.
    pub(crate) fn tags(tags: Option<&str>, created_at: Option<&str>) -> Self {
        let mut names: Vec<&str> = tags.unwrap_or_default().split(',').filter(|tag| !tag.is_empty()).collect();
        names.sort_unstable();
        names.dedup();
        // The server ignores a window that it cannot read, too.
        let window = created_at.and_then(|text| Some((text, duration::parse_ms(text)?)));
        let mut query = Vec::new();
        if let Some((text, _)) = window {
            query.push(("createdAt", text.to_owned()));
        }
        if !names.is_empty() {
            query.push(("tags", names.join(",")));
        }
        let window_ms = window.map_or(DEFAULT_WINDOW_MS, |(_, ms)| ms);
        Self { kind: Kind::Tags { window_ms }, path: "/realtime/v1/runs".into(), query: query.into() }
    }

    /// The path upstream, encoded.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The oldest creation that a snapshot shows at `now_ms`, in Unix milliseconds: whole minutes, as on the server; 0
    /// is all.
    pub(super) fn since_ms(&self, now_ms: u64) -> u64 {
        match self.kind {
            Kind::Tags { window_ms } => now_ms.saturating_sub(window_ms) / 60_000 * 60_000,
            Kind::Run | Kind::Batch => 0,
        }
    }

    /// The same for a viewer that goes on with `handle`, whose window stays where it was (a server's handles have the
    /// same form as the relay's) (F8).
    pub(super) fn since_of(&self, handle: &str, now_ms: u64) -> u64 {
        match self.kind {
            Kind::Tags { .. } => {
                let kept = handle.strip_prefix("runs_").and_then(|rest| rest.split('_').next()?.parse().ok());
                kept.unwrap_or_else(|| self.since_ms(now_ms))
            }
            Kind::Run | Kind::Batch => 0,
        }
    }

    /// The beginning of the handle of a viewer whose window begins at `since_ms`.
    pub(super) fn handle_name(&self, since_ms: u64) -> String {
        match self.kind {
            Kind::Run => "run".to_owned(),
            Kind::Tags { .. } => format!("runs_{since_ms}"),
            Kind::Batch => "batch".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_tags_and_what_cannot_be_read_play_no_part() {
        let key = FeedKey::tags(Some("b,a,,b"), Some("1h"));
        assert_eq!(key, FeedKey::tags(Some("a,b"), Some("1h")));
        assert_ne!(key, FeedKey::tags(Some("a,b"), Some("2h")));
        assert_ne!(key, FeedKey::tags(Some("a"), Some("1h")));
        assert_eq!(FeedKey::tags(Some("a"), Some("soon")), FeedKey::tags(Some("a"), None));
        assert_eq!(FeedKey::tags(None, None).query.len(), 0);
    }

    #[test]
    fn an_id_that_is_a_path_has_no_feed() {
        assert!(FeedKey::run("..").is_err() && FeedKey::batch("a/b").is_err());
        assert_eq!(&*FeedKey::run("run 1").expect("a key").path, "/realtime/v1/runs/run%201");
    }

    #[test]
    fn a_window_is_whole_minutes_and_stays_with_its_handle() {
        let key = FeedKey::tags(Some("a"), Some("1h"));
        assert_eq!(key.since_ms(3_600_000 + 119_999), 60_000);
        assert_eq!(key.since_of(&format!("{}_17_abc", key.handle_name(60_000)), 9_999_999), 60_000);
        assert_eq!(key.since_of("other", 3_600_000 + 60_000), 60_000);
        assert_eq!(FeedKey::batch("b").expect("a key").since_ms(u64::MAX), 0);
    }
}
