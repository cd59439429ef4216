//! Server-sent events: any chunking of a body gives the same events, and their size is limited.

use std::convert::Infallible;

use eventsource_stream::{Event, EventStream};
use futures_util::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use trigger_native::error::ErrorCode;
use trigger_native::sse::{self, Decoder, Framer, TooLong};

/// The blocks of a body: whole lines up to and with a blank one.
fn blocks(limit: usize, chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, TooLong> {
    let (mut framer, mut out) = (Framer::new(limit), Vec::new());
    for chunk in chunks {
        framer.push(chunk, |block| out.push(block.to_vec()))?;
    }
    Ok(out)
}

fn events(chunks: &[&[u8]]) -> Vec<Event> {
    let (mut decoder, mut out) = (Decoder::new(1 << 20), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, |event| out.push(owned(event))).expect("no event is too long");
    }
    out
}

fn owned(event: sse::Event<'_>) -> Event {
    let [id, kind, data] = [event.id, event.event, event.data].map(str::to_owned);
    Event { id, event: kind, data, retry: None }
}

/// The events that the parser alone gives, line by line.
fn parsed(bytes: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)).into_owned();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    // The parser panics on a byte order mark in its first bytes.
    let lines = [":\n"].into_iter().chain(text.split_inclusive('\n')).map(|line| Ok::<_, Infallible>(line.to_owned()));
    let stream = EventStream::new(futures_util::stream::iter(lines.collect::<Vec<_>>()));
    let events = stream.map(|event| Event { retry: None, ..event.expect("every line is one") });
    events.collect::<Vec<_>>().now_or_never().expect("everything is there")
}

/// Cuts `bytes` at `cuts`.
fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn data(text: &str) -> Event {
    Event { event: "message".to_owned(), data: text.to_owned(), ..Event::default() }
}

#[test]
fn every_kind_of_line_end_ends_a_line_once() {
    let whole = [&b"a\nb\r\nc\rd\n\n"[..], b"e\r\r", b"f\r\n\r\n"];
    assert_eq!(blocks(9, &[b"\n\ra\nb\r\nc\rd\n\n\r\re\r\rf\r\n\r\n\ng"]).expect("short"), whole);
    let cut = [&b"a\rb\r\r"[..], b"c\rd\r\r"];
    assert_eq!(
        blocks(9, &[b"a\r", b"\nb\r", b"\r", b"\n", b"c\r", b"", b"\nd\r", b"\n\r", b"\n"]).expect("short"),
        cut
    );
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_alone_however_it_is_cut() {
    for chunks in [&[&b"\xef\xbb\xbfdata: a\n\n"[..]][..], &[b"\xef", b"\xbb", b"\xbfdata: a\n", b"\n"]] {
        assert_eq!(events(chunks), [data("a")]);
    }
    // A second byte order mark is part of the field's name, and a field of that name is ignored.
    assert_eq!(events(&["\u{feff}\u{feff}data: a\n\ndata: \u{feff}b\n\n".as_bytes()]), [data("\u{feff}b")]);
}

#[test]
fn fields_comments_and_ids_are_read_as_the_standard_says() {
    let text =
        ": ping\n\nid: 1\nevent: batch\ndata: a\ndata:  b\ndata\nretry: 5\nother: x\n\ndata: c\n\ndata: unfinished\n";
    let got = events(&[text.as_bytes()]);
    let parts: Vec<_> = got.iter().map(|event| (&*event.id, &*event.event, &*event.data)).collect();
    assert_eq!(parts, [("1", "batch", "a\n b\n"), ("1", "message", "c")]);
}

#[test]
fn bytes_that_are_no_text_are_replaced_and_stop_nothing() {
    assert_eq!(events(&[b"data: \xff\xc3\n\ndata: ok\n\n"]), [data("\u{fffd}\u{fffd}"), data("ok")]);
}

#[test]
fn a_line_or_an_event_that_is_too_long_is_refused_with_bounded_memory() {
    assert_eq!(blocks(3, &[b"abc\n\n", b"ab", b"cd"]), Err(TooLong));
    assert_eq!(blocks(3, &[b"abcd\n"]), Err(TooLong));
    assert_eq!(blocks(3, &[b"ab\ncd"]), Err(TooLong));
    let mut decoder = Decoder::new(10);
    let error = (0..4).find_map(|_| decoder.push(b"data: x\n", |_| {}).err()).expect("two lines are too much");
    assert_eq!(error.code(), ErrorCode::TooLarge);
    let mut decoder = Decoder::new(10);
    let mut count = 0;
    for _ in 0..4 {
        decoder.push(b"data: x\n\n", |_| count += 1).expect("each event is short enough");
    }
    assert_eq!(count, 4);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_blocks(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        // The framer drops an LF whose CR came in an earlier chunk, so the blank line of a block may be missing.
        let text = |blocks: Vec<Vec<u8>>| -> Vec<Vec<String>> {
            let lines = |block: &Vec<u8>| {
                let text = String::from_utf8_lossy(block).replace("\r\n", "\n").replace('\r', "\n");
                text.trim_end_matches('\n').split('\n').map(str::to_owned).collect()
            };
            blocks.iter().map(lines).collect()
        };
        let whole = blocks(1_000, &[&bytes]).map(text);
        prop_assert_eq!(blocks(1_000, &cut(&bytes, &cuts)).map(text), whole);
    }

    #[test]
    fn what_is_read_as_it_lies_there_is_what_the_parser_reads(
        lines in prop::collection::vec(
            (
                prop_oneof![
                    Just("data:"), Just("data"), Just("id:"), Just("id"), Just("event:"), Just("event"), Just(":"),
                    Just("retry:"), Just(""), Just(""), Just(" data:"), Just("\u{feff}"), Just("other:"),
                ],
                prop_oneof![Just(String::new()), Just(" ".to_owned()), "[ :a\\x00-\\x09]{0,3}", "\\PC{0,6}"],
                prop_oneof![Just("\n"), Just("\n\n"), Just("\r\n"), Just("\r"), Just("\r\n\r\n")],
            ),
            0..40,
        ),
        noise in prop::collection::vec(any::<u8>(), 0..4),
        at in any::<prop::sample::Index>(),
    ) {
        let text: String = lines.iter().flat_map(|(field, value, end)| [*field, value, end]).collect();
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, noise);
        prop_assert_eq!(events(&[&bytes]), parsed(&bytes));
    }

    #[test]
    fn any_chunking_of_anything_gives_the_same_events_and_never_panics(
        parts in prop::collection::vec(prop_oneof![
            Just("\u{feff}".to_owned()), Just("data: ".to_owned()), Just("id:".to_owned()), Just("event: ".to_owned()),
            Just("\n".to_owned()), Just("\r\n".to_owned()), Just("\r".to_owned()), Just("\n\n".to_owned()), Just(":".to_owned()),
            "\\PC{0,6}", "[\\x00-\\x1f]{0,3}",
        ], 0..60),
        noise in prop::collection::vec(any::<u8>(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let mut bytes = parts.concat().into_bytes();
        bytes.extend(noise);
        bytes.extend(parts.iter().rev().flat_map(|part| part.bytes()));
        let whole = events(&[&bytes]);
        prop_assert_eq!(&events(&cut(&bytes, &cuts)), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&events(&single), &whole);
    }

    #[test]
    fn what_is_written_is_what_is_read(texts in prop::collection::vec("[^\r\n]{0,30}", 0..20)) {
        let body = texts.iter().fold(String::new(), |body, text| body + "data: " + text + "\n\n");
        let got: Vec<String> = events(&[body.as_bytes()]).into_iter().map(|event| event.data).collect();
        prop_assert_eq!(got, texts);
    }
}
