//! The frames of HTTP/2 in a stream of bytes.

use bytes::{Bytes, BytesMut};

const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const HEAD: usize = 9;

/// Cuts bytes into whole frames.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: BytesMut,
    /// Bytes of the client's preface that are still to come.
    preface: usize,
}

impl Frames {
    pub fn of_client() -> Self {
        Self { preface: 24, ..Self::default() }
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or the whole preface.
    pub fn next(&mut self) -> Option<Frame> {
        if self.preface > 0 {
            let preface = self.preface;
            let whole = (self.buffer.len() >= preface).then(|| self.buffer.split_to(preface).freeze());
            self.preface = if whole.is_some() { 0 } else { preface };
            return whole.map(|bytes| Frame { bytes, preface: true });
        }
        let head = self.buffer.get(..HEAD)?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).expect("24 bits");
        (self.buffer.len() >= HEAD + length)
            .then(|| Frame { bytes: self.buffer.split_to(HEAD + length).freeze(), preface: false })
    }
}

#[derive(Debug)]
pub struct Frame {
    pub bytes: Bytes,
    preface: bool,
}

impl Frame {
    fn is(&self, kind: u8, flags: u8) -> bool {
        !self.preface && self.bytes[3] == kind && self.bytes[4] & ACK == flags
    }

    pub fn is_settings(&self) -> bool {
        self.is(SETTINGS, 0)
    }

    pub fn is_settings_ack(&self) -> bool {
        self.is(SETTINGS, ACK)
    }
}

fn frame(kind: u8, payload: &[u8]) -> Bytes {
    let length = u8::try_from(payload.len()).expect("short");
    let mut bytes = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(payload);
    bytes.into()
}

/// SETTINGS that allow `streams` at once.
pub fn settings(streams: u32) -> Bytes {
    let mut payload = 3_u16.to_be_bytes().to_vec();
    payload.extend(streams.to_be_bytes());
    frame(SETTINGS, &payload)
}

/// GOAWAY without an error: the server acted on streams up to `last`.
pub fn go_away(last: u32) -> Bytes {
    let mut payload = last.to_be_bytes().to_vec();
    payload.extend(0_u32.to_be_bytes());
    frame(GOAWAY, &payload)
}
