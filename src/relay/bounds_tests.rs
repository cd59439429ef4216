//! Tests that docs/relay.md and types/relay.d.ts name the same bounds as the code.

use std::time::Duration;

use super::authorizer::{MAX_DECISIONS, MAX_PROBES, PROBE_TIMEOUTS};
use super::options::Limits;
use super::upstream::Timeouts;
use super::{feed, stream};

const DOCS: &str = include_str!("../../docs/relay.md");
const TYPES: &str = include_str!("../../types/relay.d.ts");

fn number(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}

fn bytes(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs())
}

/// The rows of the table: the bound, and its default.
fn table() -> Vec<(&'static str, &'static str)> {
    let (_, part) = DOCS.split_once("## Bounds").expect("the part on bounds");
    let (part, _) = part.split_once("\n## ").expect("a part after it");
    let rows = part.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    rows.skip(1).map(|(bound, rest)| (bound, rest.split(" | ").next().expect("a cell"))).collect()
}

#[test]
fn every_bound_that_the_documentation_names_is_the_one_that_holds() {
    let limits = Limits::default();
    let of_probes = format!("{}, each {}", MAX_PROBES, seconds(PROBE_TIMEOUTS.head));
    let of_proxied = format!("{}; {}", seconds(Timeouts::VIEWER.head), seconds(Timeouts::VIEWER.idle));
    let send_timeout = usize::try_from(limits.send_timeout.as_millis()).expect("a number");
    let feeds = feed::tests::Bounds::default();
    let streams = stream::tests::Bounds::default();
    assert_eq!(feeds.first_answer, streams.first_answer, "of a feed and of a stream");
    let code = [
        ("`viewersPerToken`", number(limits.per_token)),
        ("`heldPerBrowser`", number(limits.held_per_browser)),
        ("`viewersPerFeed`", number(limits.per_feed)),
        ("`viewers`", number(limits.viewers)),
        ("`feeds`", number(limits.feeds)),
        ("`feedsPerToken`", number(limits.feeds_per_token)),
        ("`passing`", number(limits.passing)),
        ("`authorizing`", format!("{}, or `viewers` where those are fewer", number(limits.authorizing))),
        // Set in js/relay/options.js, and held by its tests.
        ("`authorizeTimeoutMs`", "10 s".to_owned()),
        ("`queryBytes`", bytes(limits.query_bytes as u64)),
        ("`bodyBytes`", bytes(limits.body_bytes)),
        ("`headerBytes`", bytes(limits.header_bytes as u64)),
        ("`bytesUnderWay`", bytes(limits.bytes_under_way)),
        ("`sendTimeoutMs`", number(send_timeout)),
        ("`connections`", number(limits.connections)),
        ("`streamsPerConnection`", number(limits.streams_per_connection as usize)),
        ("probes in flight", of_probes),
        ("decisions of probes", number(MAX_DECISIONS)),
        ("the wait for a feed's or stream's first answer", seconds(feeds.first_answer)),
        ("the wait for the server's answer to a proxied request", of_proxied),
        ("finished runs kept", format!("{} and {}", number(feeds.rows), bytes(feeds.row_bytes as u64))),
        ("bodies cached of a feed", format!("{} and {}", feeds.bodies, bytes(feeds.body_bytes as u64))),
        (
            "records kept of a stream",
            format!("{} records and {}", number(streams.records), bytes(streams.bytes as u64)),
        ),
    ];
    let rows_of_docs = table();
    for (bound, holds) in &code {
        let rows: Vec<_> = rows_of_docs.iter().filter(|(named, _)| named.starts_with(bound)).collect();
        assert_eq!(rows.len(), 1, "{bound}");
        assert_eq!(rows[0].1, holds, "{bound}");
    }
    assert_eq!(rows_of_docs.len(), code.len(), "a row that no bound is behind");
}

#[test]
fn every_default_that_the_types_name_is_the_one_that_holds() {
    let limits = Limits::default();
    for (option, holds) in [
        ("viewersPerToken", limits.per_token as u64),
        ("heldPerBrowser", limits.held_per_browser as u64),
        ("viewersPerFeed", limits.per_feed as u64),
        ("viewers", limits.viewers as u64),
        ("feeds", limits.feeds as u64),
        ("feedsPerToken", limits.feeds_per_token as u64),
        ("passing", limits.passing as u64),
        ("authorizing", limits.authorizing as u64),
        ("queryBytes", limits.query_bytes as u64),
        ("bodyBytes", limits.body_bytes),
        ("headerBytes", limits.header_bytes as u64),
        ("connections", limits.connections as u64),
        ("streamsPerConnection", u64::from(limits.streams_per_connection)),
        ("bytesUnderWay", limits.bytes_under_way),
        ("sendTimeoutMs", u64::try_from(limits.send_timeout.as_millis()).expect("a number")),
    ] {
        let (before, _) = TYPES.split_once(&format!("  {option}?: number | undefined;")).expect(option);
        let (_, default) = before.rsplit_once("@default ").expect(option);
        let digits: String = default.chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(digits.parse(), Ok(holds), "{option}");
    }
}
