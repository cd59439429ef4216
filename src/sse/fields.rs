//! The blocks that streams are made of, read as they lie there.

use memchr::memchr;

use super::blocks::lines;

/// The fields of a block. What is missing is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) id: Option<&'a str>,
    pub(super) event: Option<&'a str>,
    pub(super) data: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads a block that has nothing but comments, ids, kinds and one line of data. `None` for any other: the parser
    /// knows what it means.
    pub(super) fn read(block: &'a [u8]) -> Option<Self> {
        let mut fields = Self::default();
        for line in lines(block) {
            if let Some(data) = line.strip_prefix(b"data:") {
                if fields.data.replace(text(data)?).is_some() {
                    return None;
                }
            } else if let Some(id) = line.strip_prefix(b"id:") {
                // An id with a NUL is none.
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

/// A value, without the space it may begin with. `None` where it is no text.
fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.strip_prefix(b" ").unwrap_or(value)).ok()
}
