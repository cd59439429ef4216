//! Framer of the forms that the server sends, read in place.

use memchr::memchr;

use super::framer::lines;

/// The fields of a block; `None` where one is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) event: Option<&'a str>,
    pub(super) data: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads a block of comments, ids, event types and one line of data. `None` for any other block, which the parser
    /// reads.
    pub(super) fn read(block: &'a [u8]) -> Option<Self> {
        let mut fields = Self::default();
        for line in lines(block) {
            if let Some(data) = line.strip_prefix(b"data:") {
                if fields.data.replace(text(data)?).is_some() {
                    return None;
                }
            } else if let Some(id) = line.strip_prefix(b"id:") {
                // The standard ignores an id with a NUL.
                if memchr(0, id).is_some() {
                    return None;
                }
                fields.id = Some(text(id)?);
            } else if let Some(event) = line.strip_prefix(b"event:") {
                fields.event = Some(text(event)?);
            } else if !line.is_empty() && line[0] != b':' {
                return None;
            }
        }
        Some(fields)
    }
}

/// A value without one leading space; `None` where it is not UTF-8.
fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)).ok()
}
