//! The query of a feed: read once, as the server reads it, and written anew from what was read. What is decided on and
//! what is sent upstream are then the same, however the viewer wrote it (docs/relay-access.md, A16). Pure.

use std::collections::HashMap;

use super::route::Target;
use crate::serve::{duration, tags};

/// The longest name of a column.
const COLUMN: usize = 64;
/// The longest window that is asked for, in milliseconds: a year. The server's own is a day.
const WINDOW_MS: u64 = 366 * 86_400_000;

/// The query of a request for `target`, written anew: each parameter at most once, of several the last one, and none
/// that plays no part.
///
/// # Errors
/// The server refuses such tags.
pub(super) fn anew(target: &Target, query: Option<&str>) -> Result<Option<String>, &'static str> {
    let is_tags = match target {
        Target::Tags => true,
        Target::Run(_) | Target::Batch(_) => false,
        // A stream is asked for by its path and headers alone.
        Target::Stream(..) | Target::Pass => return Ok(None),
    };
    let given = Given::read(query.unwrap_or_default());
    let mut written = url::form_urlencoded::Serializer::new(String::new());
    if is_tags {
        let tags = tags(given.get("tags"))?;
        if !tags.is_empty() {
            written.append_pair("tags", &tags.join(","));
        }
        // One that cannot be read counts for nothing with the server either.
        if let Some(window) = duration::parse_ms(given.get("createdAt")) {
            written.append_pair("createdAt", &duration::format_ms(window.min(WINDOW_MS)));
        }
    }
    let columns: Vec<&str> = given.get("skipColumns").split(',').map(str::trim).filter(|one| is_column(one)).collect();
    if !columns.is_empty() {
        written.append_pair("skipColumns", &columns.join(","));
    }
    let (offset, handle) = (given.0.get("offset"), given.0.get("handle"));
    match (offset, handle) {
        (Some(offset), Some(handle)) if offset != "-1" => {
            written.append_pair("offset", offset).append_pair("handle", handle);
            if given.get("live") == "true" {
                written.append_pair("live", "true");
                let cursor = given.get("cursor");
                if !cursor.is_empty() && cursor.len() <= 20 && cursor.bytes().all(|byte| byte.is_ascii_digit()) {
                    written.append_pair("cursor", cursor);
                }
            }
        }
        // From the start, or nowhere to go on from: a snapshot.
        (_, _) => drop(written.append_pair("offset", "-1")),
    }
    Ok(Some(written.finish()))
}

/// The tags that are asked for, sorted; none is the environment's feed.
///
/// # Errors
/// The server refuses such tags (docs/server-protocol.md 7).
fn tags(list: &str) -> Result<Vec<&str>, &'static str> {
    let mut tags = tags::read(list)?;
    tags.sort_unstable();
    tags.dedup();
    Ok(tags)
}

fn is_column(name: &str) -> bool {
    !name.is_empty() && name.len() <= COLUMN && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The parameters of a query by their names, of several the last.
struct Given(HashMap<String, String>);

impl Given {
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
        anew(&Target::Tags, Some(query)).expect("tags").expect("a query")
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
            let refused = anew(&Target::Tags, Some(&format!("tags={list}")));
            assert_eq!(refused, Err(tags::BAD_TAGS), "{list}");
        }
        assert_eq!(anew(&Target::Tags, Some("tags=%22&tags=a")), Ok(Some("tags=a&offset=-1".into())));
    }

    #[test]
    fn what_is_not_of_a_target_is_not_sent_to_it() {
        let query = Some("tags=a&createdAt=1h&skipColumns=payload&offset=1_1&handle=h&live=true");
        let own = "skipColumns=payload&offset=1_1&handle=h&live=true";
        assert_eq!(anew(&Target::Run("r".into()), query), Ok(Some(own.into())));
        assert_eq!(anew(&Target::Batch("b".into()), query), Ok(Some(own.into())));
        assert_eq!(anew(&Target::Stream("r".into(), StreamName::Output("k".into())), query), Ok(None));
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_is_read_as_it_was_decided(query in "([a-zA-Z%+&=,;\\[\\] \"\\\\é0-9_-]|tags=|offset=|handle=|skipColumns=|createdAt=|&){0,40}") {
            if let Ok(Some(written)) = anew(&Target::Tags, Some(&query)) {
                let pairs: Vec<_> = url::form_urlencoded::parse(written.as_bytes()).collect();
                for (at, (name, _)) in pairs.iter().enumerate() {
                    proptest::prop_assert!(!pairs[..at].iter().any(|(other, _)| other == name), "{} twice", name);
                }
                proptest::prop_assert_eq!(anew(&Target::Tags, Some(&written)), Ok(Some(written)));
            }
        }
    }
}
