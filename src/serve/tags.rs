//! The `tags` parameter of a feed, parsed as on the server (docs/server-protocol.md 7).

/// The text of the 400 for invalid tags. It comes before the check of scopes.
pub(crate) const BAD_TAGS: &str = "Invalid tags: each needs a text, without quotes, backslashes and control characters";

/// Parses a comma-separated list. Without tags it is the feed of the environment.
///
/// # Errors
/// [`BAD_TAGS`], where the server refuses the list.
pub(crate) fn read(list: &str) -> Result<Vec<&str>, &'static str> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let tags: Vec<&str> = list.split(',').collect();
    if tags.iter().all(|tag| is_tag(tag)) { Ok(tags) } else { Err(BAD_TAGS) }
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty() && !tag.chars().any(|c| c.is_control() || c == '"' || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_refuses_is_no_tag() {
        for list in [",", "a,", ",a", "a,,b", "a\"", "a\\b", "a\nb", "a,\u{7f}"] {
            assert_eq!(read(list), Err(BAD_TAGS), "{list:?}");
        }
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(read("b,a b,é"), Ok(vec!["b", "a b", "é"]));
    }
}
