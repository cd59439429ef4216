//! One record of a stream, and what it metered.

use std::sync::OnceLock;

use bytes::Bytes;

/// One record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Its place: of all records in v2 (`seq_num`), of its millisecond in v1.
    pub(crate) number: u64,
    /// When it was written, in Unix milliseconds.
    pub(crate) timestamp: u64,
    /// Its text; in v1 one or more lines.
    pub(crate) body: Option<String>,
    /// Its headers, in v2.
    pub(crate) headers: Vec<(String, String)>,
    /// As its readers are shown it: made once, shared by all.
    pub(crate) rendered: OnceLock<Bytes>,
    /// What it costs to keep, in bytes: counted when it is appended.
    pub(crate) retained: usize,
    /// What it metered, where its text is not kept.
    pub(crate) metered: Option<usize>,
}

impl Record {
    /// What it metered, as v2 counts it (recorded: `sse-v2`): eight bytes, two a header, and the
    /// texts.
    pub(crate) fn metered_bytes(&self) -> usize {
        if let Some(metered_bytes) = self.metered {
            return metered_bytes;
        }
        let headers: usize = self.headers.iter().map(|(name, value)| 2 + name.len() + value.len()).sum();
        8 + headers + self.body.as_ref().map_or(0, String::len)
    }

    /// The same record, shown as `text`.
    pub(crate) fn rendered_as(self, text: String) -> Self {
        Self { rendered: OnceLock::from(Bytes::from(text)), ..self }
    }

    /// The same record without what it is made of, where that was shown as it came: nobody looks at it any more.
    pub(super) fn rendered_only(self) -> Self {
        let metered = Some(self.metered_bytes());
        Self { metered, body: None, headers: Vec::new(), ..self }
    }

    /// What it costs to keep, counted now: what it is shown as may be made later.
    pub(super) fn counted(self) -> Self {
        let text = if self.metered.is_some() { 8 } else { self.metered_bytes() };
        Self { retained: text + self.rendered.get().map_or(0, Bytes::len), ..self }
    }

    /// What it costs to keep.
    pub(super) fn cost(&self) -> usize {
        self.retained
    }

    /// The number before which it trims its stream, v2: its first header is `["", "trim"]`, its body eight bytes.
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
