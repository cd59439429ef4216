//! Rewrites the query of a feed: parses it once, as the server does, and writes it anew from the parsed values. So the
//! relay decides on the very values that go upstream, however the viewer wrote them (A16). Pure.

use std::collections::HashMap;

use super::route::Target;
use crate::serve::{duration, tags};

/// The longest name of a column, in bytes.
const MAX_COLUMN_NAME: usize = 64;
/// The longest window of a tag feed, in milliseconds: a year. The server's default is a day.
const MAX_WINDOW_MS: u64 = 366 * 86_400_000;

/// The query of a request for `target`: each known parameter at most once (of several the last one), and no others.
///
/// # Errors
/// The words for tags that the server refuses.
pub(super) fn rewrite(target: &Target, query: Option<&str>) -> Result<Option<String>, &'static str> {
    let is_tags = match target {
        Target::Tags => true,
        Target::Run(_) | Target::Batch(_) => false,
        // A stream is named by its path and headers alone.
        Target::Stream(..) | Target::Live | Target::Proxy => return Ok(None),
    };
    let params = Params::read(query.unwrap_or_default());
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    if is_tags {
        let tags = tags(params.get("tags"))?;
        if !tags.is_empty() {
            written.append_pair("tags", &tags.join(","));
        }
        // The server ignores a window that it cannot read, too.
        if let Some(window) = duration::parse_ms(params.get("createdAt")) {
            written.append_pair("createdAt", &duration::format_ms(window.min(MAX_WINDOW_MS)));
        }
    }
    let columns: Vec<&str> = params.get("skipColumns").split(',').map(str::trim).filter(|one| is_column(one)).collect();
    if !columns.is_empty() {
        written.append_pair("skipColumns", &columns.join(","));
    }
    let (offset, handle) = (params.0.get("offset"), params.0.get("handle"));
    match (offset, handle) {
        (Some(offset), Some(handle)) if offset != "-1" => {
            written.append_pair("offset", offset).append_pair("handle", handle);
            if params.get("live") == "true" {
                written.append_pair("live", "true");
                let cursor = params.get("cursor");
                if !cursor.is_empty() && cursor.len() <= 20 && cursor.bytes().all(|byte| byte.is_ascii_digit()) {
                    written.append_pair("cursor", cursor);
                }
            }
        }
        // From the start, or without a place to go on from: a snapshot.
        (_, _) => drop(written.append_pair("offset", "-1")),
    }
    Ok(Some(written.finish()))
}

/// The tags of a feed, sorted; no tags name the environment's feed.
///
/// # Errors
/// The words for tags that the server refuses (docs/server-protocol.md 7).
fn tags(list: &str) -> Result<Vec<&str>, &'static str> {
    let mut tags = tags::read(list)?;
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

fn is_column(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_COLUMN_NAME
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The parameters of a query by name, of several the last.
struct Params(HashMap<String, String>);

impl Params {
    fn read(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::stream::StreamName;

    fn tags(query: &str) -> String {
        rewrite(&Target::Tags, Some(query)).expect("tags").expect("a query")
    }

    #[test]
    fn of_a_parameter_given_twice_the_last_counts_and_no_other_is_sent() {
        for (query, written) in [
            ("tags=mine&tags=victim", "tags=victim&offset=-1"),
            ("tags=victim&tags=mine", "tags=mine&offset=-1"),
            ("tags=mine&%74ags=victim", "tags=victim&offset=-1"),
            ("tags=mine&t%61gs=victim&tags=", "offset=-1"),
            ("tags=mine&Tags=victim&TAGS=victim&tags[]=victim&tags%5B%5D=victim&tags[0]=victim", "tags=mine&offset=-1"),
            ("tags=mine&tags.=victim&+tags=victim&tags+=victim&%20tags=victim", "tags=mine&offset=-1"),
            ("tags=mine;tags=victim", "tags=mine%3Btags%3Dvictim&offset=-1"),
            ("tags=mine&filter[tags]=victim&filter%5Btag%5D=victim&key=k&apiKey=k", "tags=mine&offset=-1"),
            ("tags=b+b,a%2Cc&tags", "offset=-1"),
            ("tags=b+b,a%2Cc", "tags=a%2Cb+b%2Cc&offset=-1"),
            ("tags=a%26tags%3Dvictim", "tags=a%26tags%3Dvictim&offset=-1"),
            ("createdAt=1h&tags=a&createdAt=2h", "tags=a&createdAt=2h&offset=-1"),
            ("createdAt=2h&createdAt=soon", "offset=-1"),
            ("createdAt=90m", "createdAt=90m&offset=-1"),
            ("createdAt=1h30m5s", "createdAt=5405s&offset=-1"),
            ("createdAt=99999w", "createdAt=8784h&offset=-1"),
            ("createdAt=1m1m", "createdAt=1m&offset=-1"),
            ("skipColumns=payload&skipColumns=output,,%20error%20", "skipColumns=output%2Cerror&offset=-1"),
            ("skipColumns=payload%26tags%3Dvictim,a\"b", "offset=-1"),
            (
                &format!("skipColumns={},{},b", "c".repeat(65), "d".repeat(64)),
                &format!("skipColumns={}%2Cb&offset=-1", "d".repeat(64)),
            ),
            ("offset=7_1&handle=h&live=true&cursor=9&offset=-1", "offset=-1"),
            ("offset=-1&handle=h&live=true&offset=7_1", "offset=7_1&handle=h&live=true"),
            ("offset=7_1&handle=h&live=true&cursor=1&cursor=9", "offset=7_1&handle=h&live=true&cursor=9"),
            ("offset=7_1&handle=h&live=true&cursor=9%26tags", "offset=7_1&handle=h&live=true"),
            ("offset=7_1&handle=h&live=true&live=false", "offset=7_1&handle=h"),
            ("offset=7_1&live=true", "offset=-1"),
            ("log=changes_only&expired_handle=x&where=1%3D1&columns=id&table=y", "offset=-1"),
        ] {
            assert_eq!(tags(query), written, "{query}");
        }
    }

    #[test]
    fn tags_that_the_server_refuses_are_no_feed_and_least_of_all_the_environments() {
        for list in ["a,", ",", ",a", "a,,b", "%22", "a%5C", "a%00", "a%0A", "a,%7F", "%22a%22", "a%C2%85"] {
            let refused = rewrite(&Target::Tags, Some(&format!("tags={list}")));
            assert_eq!(refused, Err(tags::BAD_TAGS), "{list}");
        }
        assert_eq!(rewrite(&Target::Tags, Some("tags=%22&tags=a")), Ok(Some("tags=a&offset=-1".into())));
    }

    #[test]
    fn what_is_not_of_a_target_is_not_sent_to_it() {
        let query = Some("tags=a&createdAt=1h&skipColumns=payload&offset=1_1&handle=h&live=true");
        let own = "skipColumns=payload&offset=1_1&handle=h&live=true";
        assert_eq!(rewrite(&Target::Run("r".into()), query), Ok(Some(own.into())));
        assert_eq!(rewrite(&Target::Batch("b".into()), query), Ok(Some(own.into())));
        assert_eq!(rewrite(&Target::Stream("r".into(), StreamName::Output("k".into())), query), Ok(None));
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_is_read_as_it_was_decided(query in "([a-zA-Z%+&=,;\\[\\] \"\\\\é0-9_-]|tags=|offset=|handle=|skipColumns=|createdAt=|&){0,40}") {
            if let Ok(Some(written)) = rewrite(&Target::Tags, Some(&query)) {
                let pairs: Vec<_> = url::form_urlencoded::parse(written.as_bytes()).collect();
                for (at, (name, _)) in pairs.iter().enumerate() {
                    proptest::prop_assert!(!pairs[..at].iter().any(|(other, _)| other == name), "{} twice", name);
                }
                proptest::prop_assert_eq!(rewrite(&Target::Tags, Some(&written)), Ok(Some(written)));
            }
        }
    }
}
