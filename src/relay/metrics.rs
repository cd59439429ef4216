//! The counts of a relay as Prometheus text (format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;

use super::stats::{Bound, Gauges, LAG_BOUNDS_MS, Refusal, Stats};

/// The `content-type` of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The prefix of every name.
const PREFIX: &str = "trigger_native_relay_";

/// The text.
pub(crate) fn render(stats: &Stats, present: Gauges) -> String {
    let mut text = Text(String::with_capacity(4096));
    let budget = present.budget.unwrap_or_default();
    let gauges = [
        ("viewers", stats.viewers.now(), "Held polls and open streams."),
        ("viewers_peak", stats.viewers.peak(), "The most there ever were."),
        ("passing", stats.passing.now(), "Requests passed through that are under way."),
        ("authorizing", stats.authorizing.now(), "Calls of authorize under way."),
        ("feeds", present.feeds as u64, "Shared run feeds."),
        ("streams", present.streams as u64, "Shared streams."),
        ("upstream_connections", stats.connections(present), "Requests to the server that are under way."),
        ("upstream_budget", budget.connections as u64, "Long-polls that may be held at once; 0 is no limit."),
        ("upstream_own", budget.own as u64, "Long-polls of feeds that have one of their own."),
        ("upstream_environment", budget.environment.into(), "Whether the environment's feed is followed."),
        ("upstream_shared", budget.shared as u64, "Feeds without a long-poll of their own."),
        ("upstream_polling", budget.polling as u64, "Those of them that nothing tells of changes."),
        ("connections", stats.listeners.connections() as u64, "Open connections of listeners."),
        ("connections_peak", stats.listeners.peak() as u64, "The most there ever were."),
        ("bytes_under_way", present.bytes_in_flight, "Bytes of answers that were not read yet."),
    ];
    for (name, value, help) in gauges {
        text.head(name, "gauge", help);
        text.sample(name, &[], value);
    }
    for (name, count, help) in [
        (
            "upstream_requests_total",
            stats.requests.load(Relaxed),
            "Requests to the server for shared feeds and streams.",
        ),
        ("updates_total", stats.updates.load(Relaxed), "Changes and parts of streams given to viewers."),
        ("sent_bytes_total", stats.bytes.load(Relaxed), "Bytes of bodies given to viewers."),
        ("passed_requests_total", stats.passed.load(Relaxed), "Requests passed through to the server."),
        ("connections_evicted_total", stats.listeners.evicted(), "Idle connections that made way to new ones."),
    ] {
        text.head(name, "counter", help);
        text.sample(name, &[], count);
    }
    text.head("refusals_total", "counter", "Viewers that were refused, by reason.");
    for why in Refusal::ALL {
        text.sample("refusals_total", &[("reason", why.name())], stats.refused(why));
    }
    text.head("limited_total", "counter", "Viewers who came beyond a bound, by the option that sets it.");
    for bound in Bound::ALL {
        text.sample("limited_total", &[("limit", bound.name())], stats.limited(bound));
    }
    lag(&mut text, stats);
    text.0
}

fn lag(text: &mut Text, stats: &Stats) {
    text.head("lag_seconds", "histogram", "From an update's arrival to a viewer's waking.");
    let mut below = 0;
    // The last count is beyond every bound: `+Inf`.
    let bounds = LAG_BOUNDS_MS.iter().map(|ms| (*ms as f64 / 1000.0).to_string()).chain(["+Inf".to_owned()]);
    for (count, bound) in stats.lags().into_iter().zip(bounds) {
        below += count;
        text.sample("lag_seconds_bucket", &[("le", &bound)], below);
    }
    text.sample("lag_seconds_sum", &[], stats.lag_ms() as f64 / 1000.0);
    text.sample("lag_seconds_count", &[], below);
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {}", escaped(help, false));
        let _ = writeln!(self.0, "# TYPE {PREFIX}{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(PREFIX);
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(text, true));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// Escapes backslashes and line ends, and quotes in the values of labels only.
fn escaped(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_follows_its_help_and_type() {
        let stats = Stats::default();
        stats.viewers.enter();
        stats.refuse(Refusal::Scope);
        stats.lag(3);
        stats.lag(4000);
        let text = render(&stats, Gauges::default());
        for line in [
            "trigger_native_relay_viewers 1",
            "trigger_native_relay_refusals_total{reason=\"scope\"} 1",
            "trigger_native_relay_lag_seconds_bucket{le=\"0.002\"} 0",
            "trigger_native_relay_lag_seconds_bucket{le=\"0.005\"} 1",
            "trigger_native_relay_lag_seconds_bucket{le=\"2.5\"} 1",
            "trigger_native_relay_lag_seconds_bucket{le=\"+Inf\"} 2",
            "trigger_native_relay_lag_seconds_sum 4.003",
            "trigger_native_relay_lag_seconds_count 2",
            "# TYPE trigger_native_relay_lag_seconds histogram",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
        assert!(text.ends_with('\n'));
        let mut family = String::new();
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => family = rest.split(' ').next().unwrap_or_default().to_owned(),
                None => assert!(line.starts_with("# HELP ") || line.starts_with(&family), "{line}"),
            }
        }
    }

    #[test]
    fn what_would_end_a_label_or_a_line_is_escaped() {
        let mut text = Text(String::new());
        text.head("x", "gauge", "a\\b\nc \"d\"");
        text.sample("x", &[("one", "a\"b\\c\nd"), ("two", "")], 1);
        let expected = concat!(
            "# HELP trigger_native_relay_x a\\\\b\\nc \"d\"\n# TYPE trigger_native_relay_x gauge\n",
            "trigger_native_relay_x{one=\"a\\\"b\\\\c\\nd\",two=\"\"} 1\n",
        );
        assert_eq!(text.0, expected);
    }
}
