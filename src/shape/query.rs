//! The query parameters of one request of a feed.

/// The parameters that the machine decides. The driver adds the feed's own (`skipColumns`, `tags`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The offset to continue from; `-1` for a snapshot. Opaque.
    pub offset: String,
    /// The shape's handle; `None` until a response named it. Opaque.
    pub handle: Option<String>,
    /// Whether the server may hold the request until something changes.
    pub live: bool,
    /// The cursor of live requests: empty on the first one. Opaque.
    pub cursor: Option<String>,
    /// The handle that the server last called expired, so that no cache answers from it again.
    pub expired_handle: Option<String>,
}

impl Query {
    /// The query of the first request of a feed.
    #[must_use]
    pub fn snapshot() -> Self {
        Self { offset: "-1".to_owned(), handle: None, live: false, cursor: None, expired_handle: None }
    }

    /// The names and values, sorted by name, not encoded.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let mut pairs = Vec::with_capacity(6);
        if self.live {
            pairs.push(("cursor", self.cursor.as_deref().unwrap_or("")));
        }
        if let Some(expired) = &self.expired_handle {
            pairs.push(("expired_handle", expired));
        }
        if let Some(handle) = &self.handle {
            pairs.push(("handle", handle));
        }
        if self.live {
            pairs.push(("live", "true"));
        }
        pairs.push(("log", "full"));
        pairs.push(("offset", &self.offset));
        pairs
    }

    /// The encoded query string with the feed's `own` parameters, all sorted by name, so that equal requests have equal
    /// URLs and a cache recognises them.
    #[must_use]
    pub fn with(&self, own: &[(&str, &str)]) -> String {
        let mut all: Vec<(&str, &str)> = self.pairs();
        all.extend_from_slice(own);
        all.sort_by_key(|&(name, _)| name);
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_sorted_like_those_of_the_official_client() {
        let query = Query {
            offset: "0_inf".to_owned(),
            handle: Some("3-1".to_owned()),
            live: true,
            cursor: None,
            expired_handle: Some("2-1".to_owned()),
        };
        let own = [("skipColumns", "payload,output")];
        assert_eq!(
            query.with(&own),
            "cursor=&expired_handle=2-1&handle=3-1&live=true&log=full&offset=0_inf&skipColumns=payload%2Coutput"
        );
        assert_eq!(Query::snapshot().with(&[]), "log=full&offset=-1");
    }

    #[test]
    fn a_request_that_is_not_live_has_no_cursor() {
        let query = Query { cursor: Some("7".to_owned()), ..Query::snapshot() };
        assert!(query.pairs().iter().all(|&(name, _)| name != "cursor" && name != "live"));
    }
}
