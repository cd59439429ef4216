//! A position in a stream that is given out with a value and comes back later, as a browser's `Last-Event-ID`.

use std::fmt;
use std::str::FromStr;

/// An id of a v1 event, `<ms>-<seq>`, as the server parses it.
pub(super) type EventId = (u64, u64);

/// How many records before a position are read again for their append ids: a retried append repeats what was appended
/// a moment before (defect 13). More than a writer sends at once.
const LOOK_BACK: u64 = 64;

/// The position after a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// v1: after `taken` events that share this id.
    Shared {
        /// The shared id.
        id: (u64, u64),
        /// How many of these events were taken, this one included.
        taken: u64,
    },
    /// v1 where ids cannot be parsed: `taken` events after the last id that the server can parse, or after the start.
    Counted {
        /// The last id that the server can parse.
        after: Option<(u64, u64)>,
        /// How many events after that id were taken.
        taken: u64,
    },
    /// v2: after the record with this `seq_num`.
    Record(u64),
}

impl Position {
    /// Whether the position is one in a v2 stream.
    pub(super) fn is_v2(self) -> bool {
        match self {
            Self::Record(_) => true,
            Self::Shared { .. } | Self::Counted { .. } => false,
        }
    }

    /// When the value before this position was written, in Unix milliseconds, where its id says so (v1).
    pub(super) fn written_ms(self) -> Option<u64> {
        match self {
            Self::Shared { id: (ms, _), .. } => Some(ms),
            Self::Counted { .. } | Self::Record(_) => None,
        }
    }

    /// The id of the event or record before this position, as the server writes it; of an event whose id cannot be
    /// read, the position itself.
    pub(crate) fn event_id(self) -> String {
        match self {
            Self::Shared { id, .. } => id_text(id).into(),
            Self::Counted { .. } | Self::Record(_) => self.to_string(),
        }
    }

    /// Reads a position, or the server's id of an event: then the position is after all events with that id.
    pub(crate) fn parse_lenient(text: &str) -> Option<Self> {
        let of_event = || parse_id(text).map(|id| Self::Counted { after: Some(id), taken: 0 });
        text.parse().ok().or_else(of_event)
    }

    /// The `Last-Event-ID` to send, `None` from the start. Values that come again are dropped.
    pub(super) fn resume(self) -> Option<Box<str>> {
        match self {
            Self::Shared { id, .. } => before(id).map(id_text),
            Self::Counted { after, .. } => after.map(id_text),
            Self::Record(seq) => look_back(seq),
        }
    }
}

/// The `Last-Event-ID` that brings the append ids before `seq` too.
pub(super) fn look_back(seq: u64) -> Option<Box<str>> {
    seq.checked_sub(LOOK_BACK).map(|seq| seq.to_string().into())
}

/// `<ms>-<seq>` or `<ms>`, as the server parses it.
pub(super) fn parse_id(text: &str) -> Option<EventId> {
    let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
    Some((number(ms)?, number(seq)?))
}

/// Whether an id that can be parsed is exactly what [`id_text`] writes.
pub(super) fn is_written(text: &str) -> bool {
    let written = |number: &str| number == "0" || number.starts_with(|first| matches!(first, '1'..='9'));
    text.split_once('-').is_some_and(|(ms, seq)| written(ms) && written(seq))
}

pub(super) fn id_text((ms, seq): EventId) -> Box<str> {
    format!("{ms}-{seq}").into()
}

/// The last id before `id`.
pub(super) fn before((ms, seq): EventId) -> Option<EventId> {
    if seq > 0 { Some((ms, seq - 1)) } else { Some((ms.checked_sub(1)?, u64::MAX)) }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Shared { id: (ms, seq), taken } => write!(formatter, "{ms}-{seq}+{taken}"),
            Self::Counted { after: Some((ms, seq)), taken } => write!(formatter, "{ms}-{seq}~{taken}"),
            Self::Counted { after: None, taken } => write!(formatter, "~{taken}"),
            Self::Record(seq) => write!(formatter, "{seq}"),
        }
    }
}

/// The text is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let position = if let Some((id, taken)) = text.split_once('+') {
            parse_id(id).zip(number(taken)).map(|(id, taken)| Self::Shared { id, taken })
        } else if let Some((after, taken)) = text.split_once('~') {
            let after = if after.is_empty() { Some(None) } else { parse_id(after).map(Some) };
            after.zip(number(taken)).map(|(after, taken)| Self::Counted { after, taken })
        } else {
            number(text).map(Self::Record)
        };
        position.ok_or(NoPosition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_being_written() {
        for position in [
            Position::Shared { id: (u64::MAX, u64::MAX), taken: 3 },
            Position::Shared { id: (0, 0), taken: 1 },
            Position::Counted { after: Some((7, 1)), taken: 0 },
            Position::Counted { after: None, taken: u64::MAX },
            Position::Record(0),
            Position::Record(u64::MAX),
        ] {
            assert_eq!(position.to_string().parse(), Ok(position), "{position}");
        }
    }

    #[test]
    fn what_is_no_position_is_none() {
        for text in ["", "x", "-1", "1-2", "+1", "1-0+", "1-x+1", "~", "1~", "x~1", "1e3", " 1", "99999999999999999999"]
        {
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
    }

    #[test]
    fn an_event_is_asked_for_from_just_before_its_id_and_a_record_from_some_records_before() {
        let text = |position: &str| position.parse::<Position>().expect(position).resume();
        for (position, asked) in [
            ("7-3+2", Some("7-2")),
            ("7-0+2", Some("6-18446744073709551615")),
            ("0-0+1", None),
            ("7-3~2", Some("7-3")),
            ("~2", None),
            ("63", None),
            ("64", Some("0")),
            ("1000", Some("936")),
        ] {
            assert_eq!(text(position).as_deref(), asked, "{position}");
        }
    }
}
