//! The framer: bytes in any chunking, cut into blocks where events end.

use memchr::memchr2;

/// The byte order mark a stream may begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// A buffer with a larger capacity, in bytes, is freed after its block.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;

/// A block is longer than the limit of the framer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Cuts bytes in any chunking into blocks: whole lines up to a blank one. Lines end in LF, CR or CRLF. A byte order
/// mark at the start of the body is dropped. Each byte is examined once.
#[derive(Debug)]
pub struct Framer {
    /// The bytes so far of a block whose end has not come yet.
    partial: Vec<u8>,
    /// The size of its complete lines, without line ends.
    size: usize,
    /// The size so far of a line whose end has not come yet.
    line: usize,
    max_bytes: usize,
    /// The last byte was a CR, so that a leading LF of the next chunk belongs to it.
    after_cr: bool,
    /// Whether the first block is out, and with it the byte order mark.
    begun: bool,
}

impl Framer {
    /// A framer for blocks of up to `max_bytes`, without line ends.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { partial: Vec::new(), size: 0, line: 0, max_bytes, after_cr: false, begun: false }
    }

    /// Takes `chunk` and passes every block that it completes to `block`, without a copy where the block lies in one
    /// chunk. After the last line of a block comes its blank line or nothing.
    ///
    /// # Errors
    /// [`TooLong`]. The framer cannot be used after it.
    pub fn push(&mut self, chunk: &[u8], mut block: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        // The start of the present line in `rest`.
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
            self.emit(whole, &mut block);
            (rest, at) = (after, 0);
        }
        self.line += rest.len() - at;
        self.check()?;
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Whether a block has begun and not ended.
    pub(super) fn is_partial(&self) -> bool {
        self.size + self.line > 0
    }

    /// Passes on the block whose last bytes are `end`, unless it is empty.
    fn emit(&mut self, end: &[u8], block: &mut impl FnMut(&[u8])) {
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
        if self.size + self.line > self.max_bytes { Err(TooLong) } else { Ok(()) }
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

/// The end of the line that starts at `at`, and the start of the next one.
fn line_end(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let end = at + memchr2(b'\n', b'\r', bytes.get(at..)?)?;
    Some((end, if bytes[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 }))
}
