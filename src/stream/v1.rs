//! Where a v1 stream stands: several events can share an id, and the server resumes strictly
//! after one (protocol.md 5).

use super::plan::Start;

/// The place in a v1 stream.
#[derive(Debug)]
pub(super) struct Place {
    latest: bool,
    /// The last id before the current one that the server can parse: what to resume after.
    anchor: Option<Box<str>>,
    /// The id of the event last taken.
    current: Option<Box<str>>,
    /// How many events after the anchor were taken.
    taken: usize,
    /// How many events of the replay are still to be dropped.
    replay: usize,
    /// Whether events that were taken before may come again.
    replaying: bool,
}

impl Place {
    pub(super) fn new(start: Start) -> Self {
        let (anchor, latest) = match start {
            Start::Beginning => (None, false),
            Start::Latest => (None, true),
            Start::After(position) => (Some(position.to_string().into()), false),
        };
        Self { latest, anchor, current: None, taken: 0, replay: 0, replaying: false }
    }

    /// The position to resume after, `None` from the start (S2). What was taken after it will be
    /// dropped.
    pub(super) fn resume(&mut self) -> Option<Box<str>> {
        self.replay = self.taken;
        self.replaying = self.current.is_some();
        match (&self.anchor, &self.current) {
            // There is no event to resume after: the place just before the first one seen.
            (None, Some(current)) if self.latest => before(current),
            (anchor, _) => anchor.clone(),
        }
    }

    /// Whether the first event is still awaited.
    pub(super) fn is_fresh(&self) -> bool {
        self.current.is_none()
    }

    /// Whether the event with this id is new (S2, S3).
    pub(super) fn admit(&mut self, id: &str) -> bool {
        if let Some(current) = self.current.take() {
            if *current == *id {
                self.current = Some(current);
                return self.count();
            }
            if self.replaying {
                match order(id, &current) {
                    // The server did not resume where it was asked to.
                    Some(std::cmp::Ordering::Less) => {
                        self.current = Some(current);
                        return false;
                    }
                    // Beyond the replay, whether or not all of it came: the rest was trimmed.
                    Some(std::cmp::Ordering::Greater | std::cmp::Ordering::Equal) => {
                        self.replay = 0;
                        self.replaying = false;
                    }
                    None if self.replay > 0 => {
                        self.current = Some(current);
                        return self.count();
                    }
                    None => self.replaying = false,
                }
            }
            if parse(&current).is_some() {
                self.anchor = Some(current);
                self.taken = 0;
            }
        }
        self.current = Some(id.into());
        self.taken += 1;
        true
    }

    fn count(&mut self) -> bool {
        if self.replay > 0 {
            self.replay -= 1;
            return false;
        }
        self.taken += 1;
        true
    }
}

/// `<ms>-<seq>`, as the server parses it.
fn parse(id: &str) -> Option<(u64, u64)> {
    let (ms, seq) = id.split_once('-').unwrap_or((id, "0"));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    Some((number(ms)?, number(seq)?))
}

fn order(left: &str, right: &str) -> Option<std::cmp::Ordering> {
    Some(parse(left)?.cmp(&parse(right)?))
}

/// The last place before `id`.
fn before(id: &str) -> Option<Box<str>> {
    let (ms, seq) = parse(id)?;
    let (ms, seq) = if seq > 0 { (ms, seq - 1) } else { (ms.checked_sub(1)?, u64::MAX) };
    Some(format!("{ms}-{seq}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(place: &mut Place, ids: &[&str]) -> Vec<bool> {
        ids.iter().map(|id| place.admit(id)).collect()
    }

    #[test]
    fn the_place_to_resume_after_is_the_id_before_the_current_one() {
        let mut place = Place::new(Start::Beginning);
        take(&mut place, &["1-0", "1-0", "2-0", "2-0"]);
        assert_eq!(place.resume().as_deref(), Some("1-0"));
        assert_eq!(take(&mut place, &["2-0", "2-0", "2-0", "3-0"]), [false, false, true, true]);
    }

    #[test]
    fn the_first_id_is_resumed_from_the_start() {
        let mut place = Place::new(Start::Beginning);
        take(&mut place, &["1-0"]);
        assert_eq!(place.resume(), None);
        assert_eq!(take(&mut place, &["1-0", "1-0"]), [false, true]);
    }

    #[test]
    fn an_interrupted_replay_still_loses_nothing() {
        let mut place = Place::new(Start::Beginning);
        take(&mut place, &["1-0", "1-0", "1-0"]);
        place.resume();
        assert_eq!(take(&mut place, &["1-0"]), [false]);
        place.resume();
        assert_eq!(take(&mut place, &["1-0", "1-0", "1-0", "1-0"]), [false, false, false, true]);
    }

    #[test]
    fn a_server_that_replays_everything_brings_nothing_twice() {
        let mut place = Place::new(Start::Beginning);
        take(&mut place, &["1-0", "2-0", "2-0", "3-0"]);
        place.resume();
        assert_eq!(take(&mut place, &["1-0", "2-0", "2-0", "3-0", "3-0"]), [false, false, false, false, true]);
    }

    #[test]
    fn what_was_trimmed_is_not_waited_for() {
        let mut place = Place::new(Start::Beginning);
        take(&mut place, &["1-0", "2-0", "2-0"]);
        place.resume();
        assert_eq!(take(&mut place, &["3-0", "3-0"]), [true, true]);
    }

    #[test]
    fn ids_no_server_parses_are_never_sent_and_what_came_is_counted() {
        let mut place = Place::new(Start::Beginning);
        take(&mut place, &["1-0", "a", "b", ""]);
        assert_eq!(place.resume().as_deref(), Some("1-0"));
        assert_eq!(take(&mut place, &["a", "b", "", "c"]), [false, false, false, true]);
    }

    #[test]
    fn reading_from_the_tail_resumes_just_before_the_first_event_seen() {
        let mut place = Place::new(Start::Latest);
        take(&mut place, &["7-0", "7-0"]);
        assert_eq!(place.resume().as_deref(), Some("6-18446744073709551615"));
        assert_eq!(take(&mut place, &["7-0", "7-0", "7-0"]), [false, false, true]);
    }

    #[test]
    fn a_position_of_the_callers_is_resumed_after() {
        let mut place = Place::new(Start::After(4));
        assert_eq!(place.resume().as_deref(), Some("4"));
        take(&mut place, &["5-0"]);
        assert_eq!(place.resume().as_deref(), Some("4"));
    }
}
