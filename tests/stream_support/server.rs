//! A simulated stream server: the values written at which time, and the body that each request gets.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

// Of the folder's root: the crate's own tests have this file too.
use super::Request;

/// A random number generator (xorshift): the same numbers for the same seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 20) % end.max(1)
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// One entry of the stream.
pub struct Entry {
    pub at: u64,
    /// v1: the first part of the id, which other entries may share. v2: the number.
    pub id: u64,
    /// `None` for an entry without a value: a retried append, a command.
    pub value: Option<u64>,
    pub text: String,
}

/// All that is written, and when.
pub struct World {
    pub v2: bool,
    pub entries: Vec<Entry>,
    /// When the reader learns that the run is over.
    pub over_at: u64,
}

impl World {
    pub fn new(dice: &mut Dice, v2: bool) -> Self {
        let (mut entries, mut at, mut value): (Vec<Entry>, u64, u64) = (Vec::new(), dice.below(3_000), 0);
        // The key appears late.
        if dice.one_in(4) {
            at += dice.below(150_000);
        }
        let mut id = 0;
        for _ in 0..dice.below(40) {
            at += match dice.below(8) {
                0 => dice.below(90_000),
                1..=3 => dice.below(3_000),
                _ => dice.below(30),
            };
            id += 1;
            if v2 {
                let number = id - 1;
                let (held, rest) = match dice.below(8) {
                    0 => (None, r#","headers":[["","fence"]],"body":"x""#.to_owned()),
                    1 => (None, r#","headers":[["trigger-control","turn-complete"]]"#.to_owned()),
                    2 if value > 0 => {
                        let again = value - 1;
                        (None, format!(r#","body":"{{\"data\":{again},\"id\":\"a{again}\"}}""#))
                    }
                    _ => {
                        value += 1;
                        let now = value - 1;
                        (Some(now), format!(r#","body":"{{\"data\":{now},\"id\":\"a{now}\"}}""#))
                    }
                };
                let text = format!(r#"{{"seq_num":{number},"timestamp":{at}{rest}}}"#);
                entries.push(Entry { at, id: number, value: held, text });
            } else {
                for _ in 0..=dice.below(4) {
                    entries.push(Entry { at, id, value: Some(value), text: format!("id: {id}-0\ndata: {value}\n\n") });
                    value += 1;
                }
            }
        }
        // Before the first request, or long after the last value.
        let last = entries.last().map_or(0, |entry| entry.at);
        let over_at = last + if dice.one_in(2) { dice.below(200) } else { dice.below(200_000) };
        Self { v2, entries, over_at }
    }

    pub fn values(&self) -> Vec<u64> {
        self.entries.iter().filter_map(|entry| entry.value).collect()
    }
}

/// How a body ends early.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    Broken,
    Clean,
    /// Silently: the client is not told.
    Dead,
    /// Silently, and at this time at the latest.
    DeadBy(u64),
}

/// The bytes of a body, and when they come.
pub struct Body {
    pub parts: std::collections::VecDeque<(u64, Vec<u8>)>,
    /// When the body ends as it should.
    pub closes_at: u64,
    /// When, or after how many bytes, the body ends early.
    pub fate: Option<(u64, usize, Fate)>,
    pub sent: usize,
    pub sent_at: u64,
}

/// A server that resumes strictly after an id, or not at all.
pub fn answer(world: &World, request: &Request, now: u64, dice: &mut Dice, fate: Option<Fate>) -> Body {
    let after = request.last_event_id.as_deref().filter(|_| !dice.one_in(12));
    let after: Option<(u64, u64)> = after.map(|id| {
        let (ms, seq) = id.split_once('-').unwrap_or((id, "0"));
        (ms.parse().expect("an id the server reads"), seq.parse().expect("an id the server reads"))
    });
    let rest: Vec<&Entry> =
        world.entries.iter().filter(|entry| after.is_none_or(|after| (entry.id, 0) > after)).collect();
    let wait = request.timeout_s.map_or(60_000, |seconds| u64::from(seconds) * 1_000);
    let mut parts: Vec<(u64, String)> = Vec::new();
    let tail = |at: u64| world.entries.iter().filter(|entry| entry.at <= at).count() as u64;
    let ping = |at: u64| format!("event: ping\ndata: {{\"timestamp\":{at},\"tail\":{{\"seq_num\":{}}}}}\n\n", tail(at));
    // The entries written before the request.
    let begun = now + dice.below(50);
    let there = rest.partition_point(|entry| entry.at <= begun);
    let (mut last, mut at) = (begun, 0);
    while at < there {
        let next = (at + 1 + usize::try_from(dice.below(12)).expect("small")).min(there);
        parts.push((begun, shown(world, &rest[at..next], None)));
        at = next;
    }
    if world.v2 {
        parts.push((begun, ping(begun)));
    }
    // The entries written later.
    let mut silent = begun;
    let mut rest = rest[there..].iter().peekable();
    let closes_at = loop {
        let ends = if world.v2 { silent + wait } else { silent + wait.div_ceil(5_000) * 5_000 };
        let pings = last + if world.v2 { 5_000 + dice.below(10_000) } else { 10_000 };
        let writes = rest.peek().map_or(u64::MAX, |entry| entry.at.max(last));
        if writes <= ends && writes <= pings {
            let entry = rest.next().expect("it is there");
            parts.push((writes, shown(world, &[entry], Some(entry.id + 1))));
            (last, silent) = (writes, writes);
        } else if pings < ends {
            parts.push((pings, if world.v2 { ping(pings) } else { ": ping\n\n".to_owned() }));
            last = pings;
        } else {
            break ends;
        }
    };
    if world.v2 {
        parts.push((closes_at, "data: [DONE]\n\n".to_owned()));
    }
    let mut cut = Vec::new();
    for (at, text) in parts {
        let mut bytes = text.into_bytes();
        while bytes.len() > 1 && dice.one_in(3) {
            let rest = bytes.split_off(usize::try_from(dice.below(bytes.len() as u64)).expect("small"));
            cut.push((at, std::mem::replace(&mut bytes, rest)));
        }
        cut.push((at, bytes));
    }
    let fate = fate.map(|fate| {
        let mut at = begun + if dice.one_in(2) { dice.below(100) } else { dice.below(closes_at - begun) };
        // v1: a body that brought nothing yet counts as alive until a ping is late.
        if !world.v2 && matches!(fate, Fate::Dead) && at < world.over_at {
            at = at.min(world.over_at.saturating_sub(15_000));
        }
        if let Fate::DeadBy(latest) = fate {
            at = at.min(latest);
        }
        let bytes = if dice.one_in(2) { dice.below(600) } else { u64::MAX };
        (at, usize::try_from(bytes).unwrap_or(usize::MAX), fate)
    });
    Body { parts: cut.into(), closes_at, fate, sent: 0, sent_at: begun }
}

fn shown(world: &World, entries: &[&Entry], tail: Option<u64>) -> String {
    let texts: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
    if !world.v2 {
        return texts.concat();
    }
    let tail = tail.map_or(String::new(), |tail| format!(",\"tail\":{{\"seq_num\":{tail}}}"));
    // An id that the client must not send.
    format!("event: batch\nid: 0,1,2\ndata: {{\"records\":[{}]{tail}}}\n\n", texts.join(","))
}

/// The next thing that happens to a body, and when.
pub enum Next {
    Bytes(Vec<u8>),
    Closed,
    Cut,
    Never,
}

impl Body {
    pub fn next(&mut self) -> (u64, Next) {
        let at = self.parts.front().map_or(self.closes_at, |(at, _)| *at);
        if let Some((dies, bytes, fate)) = self.fate
            && (at >= dies || self.sent >= bytes)
        {
            let dies = if self.sent >= bytes { self.sent_at } else { at.min(dies) };
            return match fate {
                Fate::Broken => (dies, Next::Cut),
                Fate::Clean => (dies, Next::Closed),
                Fate::Dead | Fate::DeadBy(_) => (u64::MAX, Next::Never),
            };
        }
        let Some((at, mut bytes)) = self.parts.pop_front() else { return (self.closes_at, Next::Closed) };
        if let Some((_, most, _)) = self.fate {
            bytes.truncate(most - self.sent);
        }
        self.sent += bytes.len();
        self.sent_at = at;
        (at, Next::Bytes(bytes))
    }
}
