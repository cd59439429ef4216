//! How a feed behaves, written in its run's id or tag: `<kind>_<group>_<feeds>_<updates>_<detail>`,
//! a run's with `run_` before it and `_<index>` after it.

/// What makes a live request wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `step`: each live request is answered at once with the next update, once the group is open.
    /// The last update waits for a second release.
    Step,
    /// `tick`: an update becomes due every `detail` milliseconds, whether or not anybody asks.
    Tick,
    /// `gather`, of a tag: as `tick`, but the server looks for updates ten times a second.
    Gather,
    /// `hold`: nothing ever changes; an up-to-date after `detail` milliseconds.
    Hold,
    /// `drive`: an update is there once a control call has released it.
    Drive,
}

/// The plan of one feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan<'a> {
    pub(crate) kind: Kind,
    /// Feeds of one group begin together.
    pub(crate) group: &'a str,
    /// After how many live feeds the group opens by itself; 0 leaves it to a control call. Of a
    /// tag: its runs.
    pub(crate) feeds: u32,
    /// The last of them completes the run.
    pub(crate) updates: u64,
    /// `tick`, `gather`: the period. `hold`: how long. `step` and `drive`: the payload in bytes, 0 for a
    /// small one.
    pub(crate) detail: u64,
    /// Which feed of the group it is.
    pub(crate) index: u32,
}

impl<'a> Plan<'a> {
    /// The plan in a run id, `None` for any other id.
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
