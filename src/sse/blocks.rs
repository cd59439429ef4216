//! Bytes in any chunking, cut where events end.

use memchr::memchr2;

/// The byte order mark a stream may begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// A buffer that grew beyond this is given back once its block is out.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;

/// A block is longer than the framer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Cuts bytes into blocks: whole lines up to a blank one, however the bytes are chunked. Lines end in LF, CR or
/// CRLF. A byte order mark at the very start is dropped. Each byte is looked at once.
#[derive(Debug)]
pub struct Blocks {
    /// The beginning of a block whose end has not come yet.
    partial: Vec<u8>,
    /// Bytes of its lines so far, their ends not counted.
    size: usize,
    /// Bytes of the last of them, whose end has not come yet.
    line: usize,
    longest: usize,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Whether the first line is out, and with it the byte order mark.
    begun: bool,
}

impl Blocks {
    /// A framer that takes blocks of up to `longest` bytes, the ends of lines not counted.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { partial: Vec::new(), size: 0, line: 0, longest, after_cr: false, begun: false }
    }

    /// Takes `chunk` and gives every block it completes to `block`, where possible as it lies there. What follows the
    /// last line of a block is its blank one, or nothing.
    ///
    /// # Errors
    /// [`TooLong`]; nothing sensible can follow then.
    pub fn push(&mut self, chunk: &[u8], mut block: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        // Where in `rest` the line begins.
        let mut at = 0;
        while let Some((line, next)) = line_end(rest, at) {
            self.after_cr = next == rest.len() && rest.ends_with(b"\r");
            let length = self.line + (line - at);
            self.line = 0;
            at = next;
            if length > 0 {
                self.size += length;
                self.check()?;
                continue;
            }
            let (whole, after) = rest.split_at(at);
            self.give(whole, &mut block);
            (rest, at) = (after, 0);
        }
        self.line += rest.len() - at;
        self.check()?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Whether the beginning of a block came and not its end.
    pub(super) fn is_amid(&self) -> bool {
        self.size + self.line > 0
    }

    /// Gives the block that ends with `end`, unless there is nothing in it.
    fn give(&mut self, end: &[u8], block: &mut impl FnMut(&[u8])) {
        let first = !std::mem::replace(&mut self.begun, true);
        if std::mem::take(&mut self.size) == 0 {
            return;
        }
        let whole = if self.partial.is_empty() {
            end
        } else {
            self.partial.extend_from_slice(end);
            &self.partial
        };
        block(if first { whole.strip_prefix(BOM).unwrap_or(whole) } else { whole });
        self.partial.clear();
        if self.partial.capacity() > MAX_KEPT_CAPACITY {
            self.partial = Vec::new();
        }
    }

    fn check(&self) -> Result<(), TooLong> {
        if self.size + self.line > self.longest { Err(TooLong) } else { Ok(()) }
    }
}

/// The lines of a block, without their ends.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (line, next) = line_end(block, at)?;
        Some(&block[std::mem::replace(&mut at, next)..line])
    })
}

/// Where the line that begins at `at` ends, and where the next one begins.
fn line_end(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let end = at + memchr2(b'\n', b'\r', bytes.get(at..)?)?;
    Some((end, if bytes[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 }))
}
