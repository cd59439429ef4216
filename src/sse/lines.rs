//! Bytes in any chunking, cut into lines.

/// The byte order mark a stream may begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A line is longer than the framer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Cuts bytes into lines that end in LF, CR or CRLF, however the bytes are chunked. A byte order
/// mark at the very start is dropped. Each byte is looked at once.
#[derive(Debug)]
pub struct Lines {
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    longest: usize,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Whether the first line is out, and with it the byte order mark.
    begun: bool,
}

impl Lines {
    /// A framer that takes lines of up to `longest` bytes, their ends not counted.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { partial: Vec::new(), longest, after_cr: false, begun: false }
    }

    /// Takes `chunk` and gives every line it completes to `line`, without its end.
    ///
    /// # Errors
    /// [`TooLong`]; nothing sensible can follow then.
    pub fn push(&mut self, chunk: &[u8], mut line: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, end) = rest.split_at(at);
            if self.partial.is_empty() {
                self.check(text.len())?;
                self.give(text, &mut line);
            } else {
                self.check(self.partial.len() + text.len())?;
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(text);
                self.give(&whole, &mut line);
            }
            rest = match end {
                [b'\r', b'\n', after @ ..] => after,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, after @ ..] => after,
                [] => &[],
            };
        }
        self.check(self.partial.len() + rest.len())?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    fn give(&mut self, text: &[u8], line: &mut impl FnMut(&[u8])) {
        let text = if self.begun { text } else { text.strip_prefix(BOM).unwrap_or(text) };
        self.begun = true;
        line(text);
    }

    fn check(&self, length: usize) -> Result<(), TooLong> {
        if length > self.longest { Err(TooLong) } else { Ok(()) }
    }
}
