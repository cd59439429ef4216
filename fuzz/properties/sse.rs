//! Server-sent events: any bytes, cut anywhere, give the events of the standard.

use super::input::{Input, cut};
use crate::sse::{Decoder, Event};

/// An event as a test compares it: id, type and data.
type Seen = (String, String, String);

/// The decoder gives the events of the standard's own algorithm, however the bytes are cut, and refuses an event beyond
/// its limit only.
pub fn sse(data: &[u8]) {
    let mut input = Input::new(data);
    let (seed, limit) = (input.byte(), input.byte());
    let max_bytes = if limit < 64 { usize::from(limit) } else { 1 << 20 };
    let body = input.rest();
    let (whole, is_partial) = decode(&[body], max_bytes);
    let (parts, is_partial_in_parts) = decode(&cut(body, seed), max_bytes);
    assert_eq!(whole, parts, "cut elsewhere, the bytes give other events");
    let expected = model(body, max_bytes);
    assert_eq!(whole.0, expected.events, "not the events of the standard");
    assert_eq!(whole.1, expected.is_too_long, "the limit");
    if whole.1 {
        return;
    }
    assert_eq!((is_partial, is_partial_in_parts), (expected.is_partial, expected.is_partial), "the end");
}

/// The events of `pieces`, whether one was refused, and whether one is left unfinished.
fn decode(pieces: &[&[u8]], max_bytes: usize) -> ((Vec<Seen>, bool), bool) {
    let mut decoder = Decoder::new(max_bytes);
    let mut events = Vec::new();
    for piece in pieces {
        let take = |event: Event<'_>| events.push((event.id.into(), event.event.into(), event.data.into()));
        if decoder.push(piece, take).is_err() {
            return ((events, true), false);
        }
    }
    ((events, false), decoder.is_partial())
}

#[derive(Default)]
struct Model {
    events: Vec<Seen>,
    is_too_long: bool,
    is_partial: bool,
}

/// "Interpreting an event stream" of the HTML standard, one line at a time, with a limit of the bytes of an event's
/// lines.
fn model(body: &[u8], max_bytes: usize) -> Model {
    let mut model = Model::default();
    let (mut last_id, mut id, mut event, mut data) = (String::new(), String::new(), String::new(), String::new());
    let (mut size, mut rest, mut is_first_block) = (0, body, true);
    let mut is_start = true;
    loop {
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            model.is_too_long = size + rest.len() > max_bytes;
            model.is_partial = size + rest.len() > 0;
            return model;
        };
        let (mut line, after) = (&rest[..end], if rest[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 });
        rest = &rest[after..];
        size += line.len();
        let is_blank = line.is_empty();
        if size > max_bytes {
            model.is_too_long = true;
            return model;
        }
        if std::mem::take(&mut is_start) && is_first_block {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            // A line of the byte order mark alone is none of the block, but it is read with it.
            size = if is_blank { 0 } else { size };
            is_first_block = false;
            last_id.clone_from(&id);
            let (event, data) = (std::mem::take(&mut event), std::mem::take(&mut data));
            if let Some(data) = data.strip_suffix('\n') {
                let event = if event.is_empty() { "message".to_owned() } else { event };
                model.events.push((last_id.clone(), event, data.to_owned()));
            }
            continue;
        }
        let text = String::from_utf8_lossy(line);
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut event),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            _ => {}
        }
    }
}
