//! What goes wrong with a response on its way.

use crate::shape::truth::SeededRng;

/// The fate of one response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// Another answer in its place: of the server, of a gateway, of a proxy.
    Instead(u16, &'static [(&'static str, &'static str)], &'static str),
    /// The connection breaks after this part of the bytes, in thousandths.
    CutAt(usize),
    /// Silence after this part of the bytes.
    StallAt(usize),
    /// The rest comes so many milliseconds later.
    Late(usize, u64),
}

const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
const TYPE: (&str, &str) = ("content-type", "text/html");

impl Trouble {
    /// Trouble that follows another one does not last: bodies that break off for 15 s end a feed (docs/protocol.md, I10).
    pub(super) fn draw(is_first: bool, rng: &mut SeededRng) -> Self {
        let part = rng.below(1_001);
        let late_ms = if is_first { 45_000 } else { 2_000 };
        match rng.below(14) {
            0 => Self::Instead(503, &[("retry-after", "1")], ""),
            1 => Self::Instead(503, &[], "{\"error\":\"later\"}"),
            2 => Self::Instead(429, &[], "{\"error\":\"too many\"}"),
            3 => Self::Instead(502, &[TYPE], HTML),
            4 => Self::Instead(200, &[TYPE], HTML),
            5 => Self::Instead(500, &[], ""),
            6 => Self::Instead(408, &[], ""),
            7 => Self::StallAt(part),
            8..=9 => Self::Late(part, 1 + rng.below(late_ms) as u64),
            _ => Self::CutAt(part),
        }
    }
}
