//! Pagination of a list, newest entry first.

use serde_json::{Map, Value, json};

use crate::serve::Request;

/// The default and the maximum of a page's entries.
const SIZE: usize = 25;
const MAX_PAGE_SIZE: usize = 100;

/// The requested page.
#[derive(Debug)]
pub(super) struct Page<C> {
    size: usize,
    /// The entries after this one.
    after: After<C>,
    /// The entries before this one.
    before: Option<C>,
}

/// The start of a page.
#[derive(Debug)]
enum After<C> {
    /// At the newest entry.
    Nothing,
    /// At the newest entry, because the cursor was unreadable.
    Unreadable,
    /// After this entry.
    Entry(C),
}

impl<C: Ord> Page<C> {
    /// Parses `page[size]`, `page[after]` and `page[before]`.
    ///
    /// # Errors
    /// The issue with the size, in the server's form.
    pub(super) fn read(request: &Request, cursor: impl Fn(&str) -> Option<C>) -> Result<Self, Value> {
        let issue = |code: &str, name: &str, bound: usize, what: &str| {
            json!({
                "code": code, name: bound, "type": "number", "inclusive": true, "exact": false,
                "message": format!("Number must be {what} {bound}"), "path": ["page[size]"],
            })
        };
        let size = match request.parameter("page[size]").map(|text| text.parse::<i64>()) {
            None | Some(Err(_)) => SIZE,
            Some(Ok(size)) => match usize::try_from(size) {
                Ok(size) if size > MAX_PAGE_SIZE => {
                    return Err(issue("too_big", "maximum", MAX_PAGE_SIZE, "less than or equal to"));
                }
                Ok(0) | Err(_) => return Err(issue("too_small", "minimum", 1, "greater than or equal to")),
                Ok(size) => size,
            },
        };
        Ok(Self {
            size,
            after: match request.parameter("page[after]").map(|text| cursor(&text)) {
                None => After::Nothing,
                Some(None) => After::Unreadable,
                Some(Some(after)) => After::Entry(after),
            },
            before: request.parameter("page[before]").and_then(|text| cursor(&text)),
        })
    }

    /// Cuts the page out of `entries`, newest first with falling cursors. Returns it with the `pagination`. A page
    /// before a cursor comes oldest first (recorded: `calls-runs`).
    pub(super) fn cut<T>(
        self,
        mut entries: Vec<T>,
        cursor: impl Fn(&T) -> C,
        text: impl Fn(&T) -> String,
    ) -> (Vec<T>, Map<String, Value>) {
        let mut pagination = Map::new();
        let mut tell = |name: &str, entry: Option<&T>| {
            if let Some(entry) = entry {
                pagination.insert(name.into(), text(entry).into());
            }
        };
        if let Some(before) = &self.before {
            entries.retain(|entry| cursor(entry) > *before);
            entries.reverse();
            let more = entries.len() > self.size;
            entries.truncate(self.size);
            tell("next", entries.first());
            tell("previous", entries.last().filter(|_| more));
            return (entries, pagination);
        }
        if let After::Entry(after) = &self.after {
            entries.retain(|entry| cursor(entry) < *after);
        }
        let more = entries.len() > self.size;
        entries.truncate(self.size);
        tell("next", entries.last().filter(|_| more));
        tell("previous", entries.first().filter(|_| !matches!(self.after, After::Nothing)));
        (entries, pagination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: After<i32>, before: Option<i32>) -> (Vec<i32>, Value) {
        let page = Page { size: 2, after, before };
        let (entries, pagination) = page.cut(vec![5, 4, 3, 2, 1], |entry| *entry, ToString::to_string);
        (entries, Value::Object(pagination))
    }

    #[test]
    fn pages_follow_each_other_both_ways() {
        assert_eq!(page(After::Nothing, None), (vec![5, 4], json!({ "next": "4" })));
        assert_eq!(page(After::Entry(4), None), (vec![3, 2], json!({ "next": "2", "previous": "3" })));
        assert_eq!(page(After::Entry(2), None), (vec![1], json!({ "previous": "1" })));
        assert_eq!(page(After::Entry(1), None), (vec![], json!({})));
        assert_eq!(page(After::Nothing, Some(3)), (vec![4, 5], json!({ "next": "4" })));
        assert_eq!(page(After::Nothing, Some(2)), (vec![3, 4], json!({ "next": "3", "previous": "4" })));
        assert_eq!(page(After::Unreadable, None), (vec![5, 4], json!({ "next": "4", "previous": "5" })));
    }
}
