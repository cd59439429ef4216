//! Server-sent events: the same events however the bytes are cut, bounded in size.

use proptest::prelude::*;
use trigger_native::sse::{Decoder, Event, Lines, TooLong};

fn lines(limit: usize, chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, TooLong> {
    let (mut framer, mut out) = (Lines::new(limit), Vec::new());
    for chunk in chunks {
        framer.push(chunk, |line| out.push(line.to_vec()))?;
    }
    Ok(out)
}

fn events(chunks: &[&[u8]]) -> Vec<Event> {
    let (mut decoder, mut out) = (Decoder::new(1 << 20), Vec::new());
    for chunk in chunks {
        decoder.push(chunk, &mut out).expect("no event is too long");
    }
    out
}

/// Cuts `bytes` where `cuts` say.
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
    assert_eq!(lines(9, &[b"a\nb\r\nc\rd\n\n\r\r\n"]).expect("short"), [&b"a"[..], b"b", b"c", b"d", b"", b"", b""]);
    assert_eq!(lines(9, &[b"a\r", b"\nb\r", b"c\r", b"", b"\n\n"]).expect("short"), [&b"a"[..], b"b", b"c", b""]);
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_alone_however_it_is_cut() {
    for chunks in [&[&b"\xef\xbb\xbfdata: a\n\n"[..]][..], &[b"\xef", b"\xbb", b"\xbfdata: a\n", b"\n"]] {
        assert_eq!(events(chunks), [data("a")]);
    }
    // The second one is a part of the field's name, and a field of that name means nothing.
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
    assert_eq!(lines(3, &[b"abc\n", b"ab", b"cd"]), Err(TooLong));
    assert_eq!(lines(3, &[b"abcd\n"]), Err(TooLong));
    let mut decoder = Decoder::new(10);
    let mut out = Vec::new();
    let error = (0..4).find_map(|_| decoder.push(b"data: x\n", &mut out).err()).expect("two lines are too much");
    assert_eq!(error.code(), "ERR_TOO_LARGE");
    let mut decoder = Decoder::new(10);
    for _ in 0..4 {
        decoder.push(b"data: x\n\n", &mut out).expect("each event is short enough");
    }
    assert_eq!(out.len(), 4);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_lines(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        prop_assert_eq!(lines(1_000, &cut(&bytes, &cuts)), lines(1_000, &[&bytes]));
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
