//! The behaviour of a feed, as its run's id or tag says: `<kind>_<group>_<feeds>_<updates>_<detail>`,
//! a run's with `run_` before it and `_<index>` after it.

/// The behaviour of live requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `step`: each live request is answered at once with the next update, once the group is open.
    /// The last update waits for a second release.
    Step,
    /// `tick`: an update becomes due every `detail` milliseconds, whether or not a client asks.
    Tick,
    /// `gather`, of a tag: as `tick`, but the server looks for updates ten times a second.
    Gather,
    /// `hold`: nothing changes, and each request ends in an up-to-date after `detail` milliseconds.
    Hold,
    /// `drive`: a control call releases each update.
    Drive,
}

/// The plan of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan<'a> {
    pub(crate) kind: Kind,
    /// Feeds of one group begin together.
    pub(crate) group: &'a str,
    /// The number of live feeds at which the group opens by itself; with 0, a control call opens it. For a tag, the
    /// number of its runs.
    pub(crate) feeds: u32,
    /// The number of updates. The last one completes the run.
    pub(crate) updates: u64,
    /// `tick` and `gather`: the period. `hold`: the time that a request is held. `step` and `drive`: the size of the
    /// payload in bytes, 0 for a small one.
    pub(crate) detail: u64,
    /// The index of the feed in its group.
    pub(crate) index: u32,
}

impl<'a> Plan<'a> {
    /// The plan in a run id; `None` for an id without one.
    pub(crate) fn of_run(id: &'a str) -> Option<Self> {
        let (plan, index) = id.strip_prefix("run_")?.rsplit_once('_')?;
        Some(Self { index: index.parse().ok()?, ..Self::of_tag(plan)? })
    }

    /// The plan in a tag.
    pub(crate) fn of_tag(tag: &'a str) -> Option<Self> {
        let mut parts = tag.split('_');
        let kind = match parts.next()? {
            "step" => Kind::Step,
            "tick" => Kind::Tick,
            "gather" => Kind::Gather,
            "hold" => Kind::Hold,
            "drive" => Kind::Drive,
            _ => return None,
        };
        let (group, feeds) = (parts.next()?, parts.next()?.parse().ok()?);
        let (updates, detail) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { kind, group, feeds, updates, detail, index: 0 })
    }
}
