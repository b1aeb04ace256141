//! The frames of the link between a kernel and the hub.
//!
//! A frame is `u32 payload length | payload`, a payload is `u8 kind | fields`, integers are little-endian.
//! `str` fields are a `u32` length and UTF-8. Frames borrow: decoding allocates nothing.

use std::error::Error;
use std::fmt;

mod to_hub;
mod to_kernel;

pub use to_hub::{EVENT_OVERHEAD_BYTES, ToHub, encode_event};
pub use to_kernel::ToKernel;

/// The version of the frames, told in `Hello` and `Welcome`.
pub const VERSION: u16 = 1;

/// The bytes before a payload: its length.
pub const HEADER_BYTES: usize = 4;

/// What an event costs beside its type, id and body, where a reader pulls its run by credit.
const EVENT_COST_BYTES: usize = 64;

/// What an event costs of the credit that a reader has granted: about what it takes in the memory of both sides.
pub const fn event_cost(event: usize, id: usize, body: usize) -> u64 {
    (EVENT_COST_BYTES + event + id + body) as u64
}

/// Why bytes are no frame. The link they came over is of no further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A payload is longer than the limit.
    TooLarge {
        /// What the header says.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A payload ends inside a field.
    Truncated,
    /// A payload goes on after its last field.
    Trailing,
    /// A kind that this side does not know.
    UnknownKind(u8),
    /// Text that is not UTF-8, or a flag that is neither 0 nor 1.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { bytes, limit } => write!(
                out,
                "a frame of at most {limit} bytes expected, got {bytes}"
            ),
            Self::Truncated => out.write_str("the frame ends inside a field"),
            Self::Trailing => out.write_str("the frame goes on after its last field"),
            Self::UnknownKind(kind) => write!(
                out,
                "no frame has the kind {kind}; are both sides of one version?"
            ),
            Self::Malformed => out.write_str("a field of the frame holds no valid text or flag"),
        }
    }
}

impl Error for FrameError {}

/// The first frame in `buffer`: its payload, and how many bytes of `buffer` it takes.
///
/// `None` means that the frame is not whole yet.
///
/// # Errors
///
/// [`FrameError::TooLarge`] as soon as the header says so, [`FrameError::Truncated`] for an empty payload.
pub fn split(
    buffer: &[u8],
    max_payload_bytes: usize,
) -> Result<Option<(&[u8], usize)>, FrameError> {
    let Some((header, rest)) = buffer.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*header) as usize;
    if length > max_payload_bytes {
        return Err(FrameError::TooLarge {
            bytes: length,
            limit: max_payload_bytes,
        });
    }
    if length == 0 {
        return Err(FrameError::Truncated);
    }
    Ok(rest
        .get(..length)
        .map(|payload| (payload, HEADER_BYTES + length)))
}

/// Appends a frame of `kind` whose fields `put_fields` appends, then writes the length in front of them.
fn frame(out: &mut Vec<u8>, kind: u8, put_fields: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    out.push(kind);
    put_fields(out);
    let length = (out.len() - start - HEADER_BYTES) as u32;
    out[start..start + HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
}

fn put_str(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is left of a payload.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], FrameError> {
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or(FrameError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (taken, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(FrameError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, FrameError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, FrameError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, FrameError> {
        self.array().map(u64::from_le_bytes)
    }

    fn bool(&mut self) -> Result<bool, FrameError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(FrameError::Malformed),
        }
    }

    fn str(&mut self) -> Result<&'a str, FrameError> {
        let length = self.u32()? as usize;
        std::str::from_utf8(self.take(length)?).map_err(|_| FrameError::Malformed)
    }

    fn end(&self) -> Result<(), FrameError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(FrameError::Trailing)
        }
    }
}
