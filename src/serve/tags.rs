//! The tags that a feed is asked for, as the server reads them (docs/server-protocol.md 7).

/// What is said of tags that cannot be tags: 400, before scopes are looked at.
pub(crate) const BAD_TAGS: &str = "Invalid tags: each needs a text, without quotes, backslashes and control characters";

/// The tags of a list; none is the feed of the environment.
///
/// # Errors
/// [`BAD_TAGS`]: the server refuses them.
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
