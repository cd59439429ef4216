//! What goes wrong, and for which requests.

use serde::Deserialize;

/// How an answer breaks off.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// The connection ends with RST.
    #[default]
    Reset,
    /// The connection ends with FIN.
    Close,
    /// The connection falls silent: nothing more is read or sent, and nothing is closed.
    Stall,
    /// Only this answer falls silent: of HTTP/2, the other streams of its connection go on.
    Hang,
    /// The body ends as if it were whole.
    End,
    /// RST_STREAM of HTTP/2, as a server that failed inside.
    Stream,
    /// RST_STREAM of HTTP/2, as a server that did not act on the request.
    Refused,
    /// GOAWAY of HTTP/2 that names an earlier request: the server did not act on this one.
    GoAway,
}

/// What goes wrong. Requests reach the server, except those whose answer is made here.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Another answer. The server sees the request if `forward` says so.
    Status {
        status: u16,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
        #[serde(default)]
        forward: bool,
    },
    /// The answer breaks off: after so many bytes of it on the wire (`End`, `Hang` and `Stream`: of its body), before its
    /// head without a number. Without a number the server sees the request only if `forward` says so.
    Break {
        at: Option<usize>,
        #[serde(default)]
        how: How,
        #[serde(default)]
        forward: bool,
    },
    /// The answer comes later.
    Delay { ms: u64 },
    /// The answer comes in parts of so many bytes, at intervals.
    Drip { bytes: usize, every_ms: u64 },
    /// The body is compressed, and its last bytes are missing.
    Encode { encoding: String, cut: usize },
    /// An answer of before, as a cache would give it that looks at the path alone: the latest one, or the first.
    Repeat {
        #[serde(default)]
        first: bool,
    },
    /// The connection of HTTP/2 allows so many streams from now on; the answer is as always.
    Settings { streams: u32 },
    /// GOAWAY of HTTP/2 that allows for the present requests; the answer is as always.
    GoAway,
}

/// One rule. Of several the first that matches counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Texts that are all in the request's `<method> <path>?<query>`.
    #[serde(default)]
    pub contains: Vec<String>,
    /// How many matching requests pass first.
    #[serde(default)]
    pub after: usize,
    /// How many it hits; all without a number.
    pub count: Option<usize>,
    pub action: Action,
}

/// The active rules.
#[derive(Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// What happens to this request; counts the hit. In the midst of a body (`under_way`) only what can happen there.
    pub fn take(&mut self, request: &str, under_way: bool) -> Option<Action> {
        for rule in &mut self.0 {
            let possible =
                !under_way || matches!(rule.action, Action::Break { .. } | Action::Delay { .. } | Action::Drip { .. });
            if !possible || rule.count == Some(0) || !rule.contains.iter().all(|text| request.contains(text)) {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            if let Some(count) = &mut rule.count {
                *count -= 1;
            }
            return Some(rule.action.clone());
        }
        None
    }

    /// How many requests are still to be hit by rules with a number.
    pub fn left(&self) -> usize {
        self.0.iter().filter_map(|rule| rule.count).sum()
    }
}
