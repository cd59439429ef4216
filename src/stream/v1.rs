//! The cursor of a v1 stream. Several events can share an id, and the server resumes strictly after an id
//! (docs/server-protocol.md 5).

use super::plan::Start;
use super::position::{EventId, Position, before, id_text, is_written, parse_id};

/// The cursor of a v1 stream.
#[derive(Debug)]
pub(super) struct Cursor {
    latest: bool,
    /// The last id before the current one that the server can parse: the id to resume after.
    anchor: Option<Box<str>>,
    /// The id of the event taken last.
    current: Option<Id>,
    /// How many events after the anchor were taken.
    taken: usize,
    /// How many events of the replay are still to be dropped.
    replay: usize,
    /// Whether events that were taken already may come again.
    replaying: bool,
    /// Whether other ids than the current one came after the anchor. The server can parse none of them.
    mixed: bool,
}

/// The id of an event.
#[derive(Debug)]
struct Id {
    text: Box<str>,
    /// The id as the server parses it, where it can.
    parsed: Option<EventId>,
    /// Whether the text is exactly what the server writes for the parsed id.
    written: bool,
}

impl Id {
    fn new(text: &str) -> Self {
        let parsed = parse_id(text);
        Self { text: text.into(), parsed, written: parsed.is_some() && is_written(text) }
    }
}

impl Cursor {
    pub(super) fn new(start: Start) -> Self {
        let fresh = |anchor, latest| Self {
            latest,
            anchor,
            current: None,
            taken: 0,
            replay: 0,
            replaying: false,
            mixed: false,
        };
        match start {
            Start::Beginning => fresh(None, false),
            Start::Latest => fresh(None, true),
            Start::After(position) => fresh(Some(position.to_string().into()), false),
            Start::At(Position::Shared { id, taken }) => Self::at(before(id), Some(id), taken),
            Start::At(Position::Counted { after, taken }) => Self::at(after, None, taken),
            // A position in another version: the machine reads from the start instead.
            Start::At(Position::Record(_)) => fresh(None, false),
        }
    }

    /// The cursor after `taken` events, which come again. An empty id stands for ids that cannot be parsed.
    fn at(anchor: Option<EventId>, current: Option<EventId>, taken: u64) -> Self {
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        Self {
            latest: false,
            anchor: anchor.map(id_text),
            current: Some(current.map_or_else(|| Id::new(""), |id| Id::new(&id_text(id)))),
            taken,
            replay: taken,
            replaying: true,
            mixed: current.is_none(),
        }
    }

    /// The position after the event taken last, for a reader that comes back. `None` where no id can be parsed and the
    /// start is not known.
    pub(super) fn position(&self) -> Option<Position> {
        let current = self.current.as_ref()?;
        let taken = self.taken as u64;
        match current.parsed.filter(|_| current.written && !self.mixed) {
            Some(id) => Some(Position::Shared { id, taken }),
            None if self.anchor.is_none() && self.latest => None,
            None => Some(Position::Counted { after: self.anchor.as_deref().and_then(parse_id), taken }),
        }
    }

    /// The id to resume after, `None` from the start (S2). Events after it that were taken already are dropped.
    pub(super) fn resume(&mut self) -> Option<Box<str>> {
        self.replay = self.taken;
        self.replaying = self.current.is_some();
        match (&self.anchor, &self.current) {
            // No event to resume after is known: the id just before the first one seen takes its place.
            (None, Some(current)) if self.latest => current.parsed.and_then(before).map(id_text),
            (anchor, _) => anchor.clone(),
        }
    }

    /// Whether no event was taken yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.current.is_none()
    }

    /// Whether some of the events taken already came again, and not all of them yet.
    pub(super) fn is_amid(&self) -> bool {
        self.replaying && self.replay > 0 && self.replay < self.taken
    }

    /// Whether the event with this id is new (S2, S3).
    pub(super) fn admit(&mut self, id: &str) -> bool {
        if self.current.as_ref().is_some_and(|current| *current.text == *id) {
            return self.count();
        }
        let next = Id::new(id);
        if let Some(current) = self.current.take() {
            // The same id in other words (`7` is `7-0`): they share a position.
            if next.parsed.is_some() && next.parsed == current.parsed {
                self.current = Some(current);
                return self.count();
            }
            if self.replaying {
                match order(next.parsed, &current) {
                    // The server did not resume where it was asked to.
                    Some(std::cmp::Ordering::Less) => {
                        self.current = Some(current);
                        return false;
                    }
                    // Beyond the replay. Events of it that did not come were trimmed.
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
            self.mixed = current.parsed.is_none();
            if !self.mixed {
                self.anchor = Some(current.text);
                self.taken = 0;
            }
        }
        self.current = Some(next);
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

fn order(left: Option<EventId>, right: &Id) -> Option<std::cmp::Ordering> {
    Some(left?.cmp(&right.parsed?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(cursor: &mut Cursor, ids: &[&str]) -> Vec<bool> {
        ids.iter().map(|id| cursor.admit(id)).collect()
    }

    #[test]
    fn the_place_to_resume_after_is_the_id_before_the_current_one() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["1-0", "1-0", "2-0", "2-0"]);
        assert_eq!(cursor.resume().as_deref(), Some("1-0"));
        assert_eq!(take(&mut cursor, &["2-0", "2-0", "2-0", "3-0"]), [false, false, true, true]);
    }

    #[test]
    fn an_id_in_other_words_is_the_same_id() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["6-0", "7-0", "7"]);
        assert_eq!(cursor.position().map(|position| position.to_string()).as_deref(), Some("7-0+2"));
        assert_eq!(cursor.resume().as_deref(), Some("6-0"));
        assert_eq!(take(&mut cursor, &["7-0", "7", "7-0"]), [false, false, true]);
    }

    #[test]
    fn the_first_id_is_resumed_from_the_start() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["1-0"]);
        assert_eq!(cursor.resume(), None);
        assert_eq!(take(&mut cursor, &["1-0", "1-0"]), [false, true]);
    }

    #[test]
    fn an_interrupted_replay_still_loses_nothing() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["1-0", "1-0", "1-0"]);
        cursor.resume();
        assert_eq!(take(&mut cursor, &["1-0"]), [false]);
        cursor.resume();
        assert_eq!(take(&mut cursor, &["1-0", "1-0", "1-0", "1-0"]), [false, false, false, true]);
    }

    #[test]
    fn a_server_that_replays_everything_brings_nothing_twice() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["1-0", "2-0", "2-0", "3-0"]);
        cursor.resume();
        assert_eq!(take(&mut cursor, &["1-0", "2-0", "2-0", "3-0", "3-0"]), [false, false, false, false, true]);
    }

    #[test]
    fn what_was_trimmed_is_not_waited_for() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["1-0", "2-0", "2-0"]);
        cursor.resume();
        assert_eq!(take(&mut cursor, &["3-0", "3-0"]), [true, true]);
    }

    #[test]
    fn ids_no_server_parses_are_never_sent_and_what_came_is_counted() {
        let mut cursor = Cursor::new(Start::Beginning);
        take(&mut cursor, &["1-0", "a", "b", ""]);
        assert_eq!(cursor.resume().as_deref(), Some("1-0"));
        assert_eq!(take(&mut cursor, &["a", "b", "", "c"]), [false, false, false, true]);
    }

    #[test]
    fn reading_from_the_tail_resumes_just_before_the_first_event_seen() {
        let mut cursor = Cursor::new(Start::Latest);
        take(&mut cursor, &["7-0", "7-0"]);
        assert_eq!(cursor.resume().as_deref(), Some("6-18446744073709551615"));
        assert_eq!(take(&mut cursor, &["7-0", "7-0", "7-0"]), [false, false, true]);
    }

    #[test]
    fn a_position_of_the_callers_is_resumed_after() {
        let mut cursor = Cursor::new(Start::After(4));
        assert_eq!(cursor.resume().as_deref(), Some("4"));
        take(&mut cursor, &["5-0"]);
        assert_eq!(cursor.resume().as_deref(), Some("4"));
    }

    /// Checks a reader that comes back after each event in turn, to a server that resumes: it sees every event once.
    fn come_back_everywhere(ids: &[&str]) {
        let mut cursor = Cursor::new(Start::Beginning);
        for taken in 1..=ids.len() {
            assert!(cursor.admit(ids[taken - 1]));
            let position = cursor.position().expect("a place");
            assert_eq!(position.to_string().parse(), Ok(position));
            let mut back = Cursor::new(Start::At(position));
            let asked = position.resume().and_then(|id| parse_id(&id));
            let from = ids.iter().position(|id| asked.is_none_or(|asked| parse_id(id).is_none_or(|id| id > asked)));
            // SeenIds that cannot be parsed are stored behind the one before them.
            let from = match asked {
                Some(asked) => {
                    ids.iter().rposition(|id| parse_id(id).is_some_and(|id| id <= asked)).map_or(0, |at| at + 1)
                }
                None => from.unwrap_or(0),
            };
            let seen: Vec<usize> = (from..ids.len()).filter(|at| back.admit(ids[*at])).collect();
            assert_eq!(seen, (taken..ids.len()).collect::<Vec<_>>(), "after {taken} of {ids:?}: {position}");
        }
    }

    #[test]
    fn a_reader_that_comes_back_after_any_event_loses_and_repeats_nothing() {
        come_back_everywhere(&["1-0", "1-0", "1-0", "1-1", "2-0", "2-0", "3-5"]);
        come_back_everywhere(&["0-0", "0-0", "0-1"]);
        come_back_everywhere(&["", "", "", ""]);
        come_back_everywhere(&["1-0", "a", "b", "", "2-0", "2-0", "3-0"]);
        come_back_everywhere(&["a", "1-0", "1-0", "2-0"]);
        come_back_everywhere(&["5", "5", "06-0", "7-0"]);
    }

    #[test]
    fn a_reader_that_came_back_and_is_dropped_amid_the_replay_loses_nothing() {
        let mut cursor = Cursor::new(Start::At(Position::Shared { id: (2, 0), taken: 3 }));
        assert_eq!(take(&mut cursor, &["2-0"]), [false]);
        assert_eq!(cursor.resume().as_deref(), Some("1-18446744073709551615"));
        assert_eq!(take(&mut cursor, &["2-0", "2-0", "2-0", "2-0"]), [false, false, false, true]);
        assert_eq!(cursor.position(), Some(Position::Shared { id: (2, 0), taken: 4 }));
    }

    #[test]
    fn a_reader_that_comes_back_gets_nothing_twice_from_a_server_that_replays_everything() {
        let mut cursor = Cursor::new(Start::At(Position::Shared { id: (2, 0), taken: 2 }));
        assert_eq!(take(&mut cursor, &["1-0", "2-0", "2-0", "2-0", "3-0"]), [false, false, false, true, true]);
    }

    #[test]
    fn a_tail_whose_ids_say_nothing_has_no_place_to_come_back_to() {
        let mut cursor = Cursor::new(Start::Latest);
        take(&mut cursor, &[""]);
        assert_eq!(cursor.position(), None);
    }
}
