//! One record of a stream, and its size.

use std::sync::OnceLock;

use bytes::Bytes;

/// One record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Its number: in the stream in v2 (`seq_num`), in its millisecond in v1.
    pub(crate) number: u64,
    /// Its time, in Unix milliseconds.
    pub(crate) timestamp: u64,
    /// Its text; in v1 one or more lines.
    pub(crate) body: Option<String>,
    /// Its headers, in v2.
    pub(crate) headers: Vec<(String, String)>,
    /// Its text in an event, rendered once for all readers.
    pub(crate) rendered: OnceLock<Bytes>,
    /// Its bytes in memory, counted when it is appended.
    pub(crate) retained: usize,
    /// Its metered bytes, where the body is no longer in memory.
    pub(crate) metered: Option<usize>,
}

impl Record {
    /// Its metered bytes, as v2 counts them (recorded: `sse-v2`): eight, two for each header, and the texts.
    pub(crate) fn metered_bytes(&self) -> usize {
        if let Some(metered_bytes) = self.metered {
            return metered_bytes;
        }
        let headers: usize = self.headers.iter().map(|(name, value)| 2 + name.len() + value.len()).sum();
        8 + headers + self.body.as_ref().map_or(0, String::len)
    }

    /// The same record, rendered as `text`.
    pub(crate) fn rendered_as(self, text: String) -> Self {
        Self { rendered: OnceLock::from(Bytes::from(text)), ..self }
    }

    /// The same record without body and headers, where the source rendered it: they are not read again.
    pub(super) fn rendered_only(self) -> Self {
        let metered = Some(self.metered_bytes());
        Self { metered, body: None, headers: Vec::new(), ..self }
    }

    /// Counts its bytes in memory now: it may be rendered later.
    pub(super) fn counted(self) -> Self {
        let text = if self.metered.is_some() { 8 } else { self.metered_bytes() };
        Self { retained: text + self.rendered.get().map_or(0, Bytes::len), ..self }
    }

    /// Its bytes in memory.
    pub(super) fn cost(&self) -> usize {
        self.retained
    }

    /// The number before which this record trims its stream, v2: its first header is `["", "trim"]`, its body eight
    /// bytes.
    pub(super) fn trim_point(&self) -> Option<u64> {
        let (name, value) = self.headers.first()?;
        let bytes: [u8; 8] = self.body.as_ref()?.as_bytes().try_into().ok()?;
        (name.is_empty() && value == "trim").then(|| u64::from_be_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_weighs_what_the_server_says() {
        // Recorded: `sse-v2`, the first event's id is 2,3,124 and the control record adds 38.
        let record = |body: Option<&str>, headers: &[(&str, &str)]| Record {
            number: 0,
            timestamp: 0,
            body: body.map(str::to_owned),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..Record::default()
        };
        assert_eq!(record(Some(r#"{"data":"{\"n\":0}","id":"part0"}"#), &[]).metered_bytes(), 41);
        assert_eq!(record(None, &[("trigger-control", "turn-complete")]).metered_bytes(), 38);
    }
}
