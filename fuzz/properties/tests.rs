//! The properties on inputs that are kept: the corpus that is made from the recordings, and every input that failed once.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{emulator, paths, relay, responses, shape, sse, streams, tokens, values, wants};

/// The files of a folder below `fuzz`, at least `least` of them.
fn inputs(folder: &str, least: usize) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        assert_eq!(least, 0, "{} is missing", folder.display());
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= least, "{} inputs in {}", files.len(), folder.display());
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("a file"))).collect()
}

/// The words that mutations insert: what separates things in the texts that are tried.
const WORDS: [&[u8]; 24] = [
    b"\0",
    b"\n\n",
    b"\r",
    b"\r\n",
    b":",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"%2F",
    b"..",
    b"/",
    b"&",
    b"=",
    b",",
    b"{}",
    b"[",
    b"null",
    b"-1",
    b"1e400",
    b"9007199254740993",
    b"\xef\xbb\xbf",
    b"\xc3\xa9",
    b"\x01",
];
/// How often each input is mutated where no time is given.
const MUTATIONS: u32 = 20;

/// Tries the inputs that are kept, and mutations of them: a few from a fixed seed, or for `TRIGGER_NATIVE_FUZZ_SECONDS`.
/// Coverage guides none of it, as in `npm run fuzz`, but neither does it need a nightly compiler.
fn holds(target: &str, property: fn(&[u8])) {
    let kept: Vec<_> =
        inputs(&format!("seeds/{target}"), 2).into_iter().chain(inputs(&format!("found/{target}"), 0)).collect();
    let seconds = std::env::var("TRIGGER_NATIVE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut random = Random(seconds.map_or(7, |_| u64::from(std::process::id())));
    for (path, input) in &kept {
        let tried = std::panic::catch_unwind(|| property(input));
        assert!(tried.is_ok(), "{} is an input that does not hold", path.display());
    }
    let mut round = 0;
    while until.map_or(round < MUTATIONS, |until| Instant::now() < until) {
        for (_, input) in &kept {
            let other = &kept[random.below(kept.len())].1;
            let mutated = random.mutated(input, other);
            let tried = std::panic::catch_unwind(|| property(&mutated));
            assert!(tried.is_ok(), "an input that does not hold, for fuzz/found/{target}: {}", mutated.escape_ascii());
        }
        round += 1;
    }
    println!("{target}: {} executions", kept.len() as u64 * (u64::from(round) + 1));
}

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or_default() % bound.max(1)
    }

    fn mutated(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let (at, to) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let (from, to) = (at.min(to), at.max(to));
            match self.below(7) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = u8::try_from(self.below(256)).unwrap_or_default(),
                2 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
                3 => drop(bytes.drain(from..to.min(from + 16))),
                4 => drop(bytes.splice(at..at, bytes[from..to.min(from + 64)].to_vec())),
                5 => bytes.truncate(at),
                _ => {
                    let place = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[place..]);
                }
            }
        }
        bytes
    }
}

#[test]
fn server_sent_events_of_recorded_streams_are_those_of_the_standard() {
    holds("sse", sse);
}

#[test]
fn recorded_feeds_give_the_rows_of_a_naive_reader() {
    holds("shape", shape);
}

#[test]
fn texts_within_messages_are_read_as_a_second_reader_reads_them() {
    holds("values", values);
}

#[test]
fn a_token_that_is_taken_is_taken_by_another_library_too() {
    holds("tokens", tokens);
}

#[test]
fn an_id_of_a_user_is_one_segment_of_a_url() {
    holds("paths", paths);
}

#[test]
fn a_relay_sends_upstream_what_it_decided_on() {
    holds("relay", relay);
}

#[test]
fn a_body_of_the_live_stream_is_read_in_one_way_or_not_at_all() {
    holds("wants", wants);
}

#[test]
fn recorded_streams_give_the_same_values_however_they_are_cut() {
    holds("streams", streams);
}

#[test]
fn a_compressed_body_stays_within_its_bound_and_an_error_hides_the_key() {
    holds("responses", responses);
}

#[test]
fn the_emulator_answers_whatever_it_is_sent() {
    holds("emulator", emulator);
}
