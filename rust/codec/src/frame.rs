//! The frames of the link between a kernel and the hub.
//!
//! A frame is `u32 payload length | payload`, a payload is `u8 kind | fields`, integers are little-endian.
//! `str` fields are a `u32` length and UTF-8. Frames borrow: decoding allocates nothing.

use std::error::Error;
use std::fmt;

/// The version of the frames, told in `Hello` and `Welcome`.
pub const VERSION: u16 = 1;

/// The bytes before a payload: its length.
pub const HEADER_BYTES: usize = 4;

/// The bytes of a [`ToHub::Event`] payload beside its type, id and body.
pub const EVENT_OVERHEAD_BYTES: usize = 1 + 8 + 4 + 2 + 1;

const HELLO: u8 = 1;
const SUBSCRIBE: u8 = 2;
const OPEN: u8 = 3;
const EVENT: u8 = 4;
const LOST: u8 = 5;
const END: u8 = 6;
const REQUEST: u8 = 7;
const WELCOME: u8 = 65;
const OPENED: u8 = 66;
const ACK: u8 = 67;
const STOP: u8 = 68;
const ANSWER: u8 = 69;

/// What a kernel says to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToHub<'a> {
    /// The first frame of a link.
    Hello {
        /// The kernel's [`VERSION`].
        version: u16,
        /// Names the link over its reconnections.
        link: [u8; 16],
        /// Who the producer is, the same for all processes of one kernel.
        kernel: &'a str,
        /// What people call it.
        label: &'a str,
        /// The process that holds this link.
        pid: u32,
    },
    /// The first frame of a subscription's socket; answered by [`ToKernel::Answer`] with request 0, after
    /// which, if its status is 200, raw `text/event-stream` follows.
    Subscribe {
        /// JSON: streams, cursors and options.
        query: &'a str,
    },
    /// Opens a stream for writing under `key`.
    Open {
        /// Place in the link's sequence; 0 makes sure that a key is open without taking a place.
        seq: u64,
        /// The kernel's short name for the stream from here on.
        key: u32,
        /// Comes back in [`ToKernel::Opened`].
        request: u32,
        /// A [`crate::RunKind`] as its number.
        kind: u8,
        /// The stream's name.
        stream: &'a str,
        /// JSON.
        options: &'a str,
    },
    /// One event, encoded but for its head.
    Event {
        /// Place in the link's sequence.
        seq: u64,
        /// The open stream.
        key: u32,
        /// The event's type; empty is none.
        event: &'a [u8],
        /// The producer's own id; empty is none: the position stands in its place.
        id: &'a [u8],
        /// What [`crate::encode_body`] wrote.
        body: &'a [u8],
    },
    /// The kernel had to drop events of this stream here.
    Lost {
        /// Place in the link's sequence.
        seq: u64,
        /// The open stream.
        key: u32,
        /// How many.
        count: u64,
    },
    /// The producer of `key` ended.
    End {
        /// Place in the link's sequence.
        seq: u64,
        /// The open stream.
        key: u32,
        /// A [`crate::EndReason`] as its number.
        reason: u8,
        /// JSON `{"type", "message"}` or empty.
        error: &'a str,
    },
    /// A question that is answered by [`ToKernel::Answer`].
    Request {
        /// Comes back in the answer; not 0.
        request: u32,
        /// JSON.
        body: &'a str,
    },
}

/// What the hub says to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToKernel<'a> {
    /// The answer to `Hello`.
    Welcome {
        /// The hub's [`VERSION`].
        version: u16,
        /// The epoch of the log.
        epoch: &'a str,
        /// The hub knows this link: resend from `last_seq + 1`.
        known: bool,
        /// The last place in the link's sequence that was appended.
        last_seq: u64,
        /// JSON `{"url", "pid"}`.
        server: &'a str,
    },
    /// The answer to `Open`.
    Opened {
        /// The request of `Open`.
        request: u32,
        /// The stream that is open.
        key: u32,
        /// The number of the run.
        run: u32,
        /// Empty, or JSON `{"reason", "message"}`.
        error: &'a str,
    },
    /// Everything up to `seq` is appended.
    Ack {
        /// Place in the link's sequence.
        seq: u64,
    },
    /// Stop this producer.
    Stop {
        /// The open stream.
        key: u32,
    },
    /// The answer to `Request` or `Subscribe`.
    Answer {
        /// Which request; 0 for `Subscribe`.
        request: u32,
        /// As in HTTP.
        status: u16,
        /// JSON.
        body: &'a str,
    },
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

/// Appends an [`ToHub::Event`] frame whose body `write_body` appends in place: no copy of the body is made.
///
/// The type and the id must have passed [`crate::check_event_type`] and [`crate::check_id`].
pub fn encode_event(
    out: &mut Vec<u8>,
    seq: u64,
    key: u32,
    event: &[u8],
    id: &[u8],
    write_body: impl FnOnce(&mut Vec<u8>),
) {
    // A value that does not fit its length field cannot have been checked; cut, it spoils this event only.
    let event = &event[..event.len().min(usize::from(u16::MAX))];
    let id = &id[..id.len().min(usize::from(u8::MAX))];
    frame(out, EVENT, |out| {
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&key.to_le_bytes());
        out.extend_from_slice(&(event.len() as u16).to_le_bytes());
        out.extend_from_slice(event);
        out.push(id.len() as u8);
        out.extend_from_slice(id);
        write_body(out);
    });
}

impl<'a> ToHub<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello {
                version,
                link,
                kernel,
                label,
                pid,
            } => frame(out, HELLO, |out| {
                out.extend_from_slice(&version.to_le_bytes());
                out.extend_from_slice(&link);
                put_str(out, kernel);
                put_str(out, label);
                out.extend_from_slice(&pid.to_le_bytes());
            }),
            Self::Subscribe { query } => frame(out, SUBSCRIBE, |out| put_str(out, query)),
            Self::Open {
                seq,
                key,
                request,
                kind,
                stream,
                options,
            } => frame(out, OPEN, |out| {
                out.extend_from_slice(&seq.to_le_bytes());
                out.extend_from_slice(&key.to_le_bytes());
                out.extend_from_slice(&request.to_le_bytes());
                out.push(kind);
                put_str(out, stream);
                put_str(out, options);
            }),
            Self::Event {
                seq,
                key,
                event,
                id,
                body,
            } => {
                encode_event(out, seq, key, event, id, |out| out.extend_from_slice(body));
            }
            Self::Lost { seq, key, count } => frame(out, LOST, |out| {
                out.extend_from_slice(&seq.to_le_bytes());
                out.extend_from_slice(&key.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
            }),
            Self::End {
                seq,
                key,
                reason,
                error,
            } => frame(out, END, |out| {
                out.extend_from_slice(&seq.to_le_bytes());
                out.extend_from_slice(&key.to_le_bytes());
                out.push(reason);
                put_str(out, error);
            }),
            Self::Request { request, body } => frame(out, REQUEST, |out| {
                out.extend_from_slice(&request.to_le_bytes());
                put_str(out, body);
            }),
        }
    }

    /// Reads a payload that [`split`] found.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for a payload that is none of these frames, whole and nothing more.
    pub fn decode(payload: &'a [u8]) -> Result<Self, FrameError> {
        let mut fields = Fields(payload);
        let frame = match fields.u8()? {
            EVENT => {
                let (seq, key) = (fields.u64()?, fields.u32()?);
                let event = fields
                    .u16()
                    .and_then(|length| fields.take(usize::from(length)))?;
                let id = fields
                    .u8()
                    .and_then(|length| fields.take(usize::from(length)))?;
                return Ok(Self::Event {
                    seq,
                    key,
                    event,
                    id,
                    body: fields.0,
                });
            }
            HELLO => Self::Hello {
                version: fields.u16()?,
                link: fields.array()?,
                kernel: fields.str()?,
                label: fields.str()?,
                pid: fields.u32()?,
            },
            SUBSCRIBE => Self::Subscribe {
                query: fields.str()?,
            },
            OPEN => Self::Open {
                seq: fields.u64()?,
                key: fields.u32()?,
                request: fields.u32()?,
                kind: fields.u8()?,
                stream: fields.str()?,
                options: fields.str()?,
            },
            LOST => Self::Lost {
                seq: fields.u64()?,
                key: fields.u32()?,
                count: fields.u64()?,
            },
            END => Self::End {
                seq: fields.u64()?,
                key: fields.u32()?,
                reason: fields.u8()?,
                error: fields.str()?,
            },
            REQUEST => Self::Request {
                request: fields.u32()?,
                body: fields.str()?,
            },
            kind => return Err(FrameError::UnknownKind(kind)),
        };
        fields.end()?;
        Ok(frame)
    }
}

impl<'a> ToKernel<'a> {
    /// Appends the frame.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Welcome {
                version,
                epoch,
                known,
                last_seq,
                server,
            } => frame(out, WELCOME, |out| {
                out.extend_from_slice(&version.to_le_bytes());
                put_str(out, epoch);
                out.push(u8::from(known));
                out.extend_from_slice(&last_seq.to_le_bytes());
                put_str(out, server);
            }),
            Self::Opened {
                request,
                key,
                run,
                error,
            } => frame(out, OPENED, |out| {
                out.extend_from_slice(&request.to_le_bytes());
                out.extend_from_slice(&key.to_le_bytes());
                out.extend_from_slice(&run.to_le_bytes());
                put_str(out, error);
            }),
            Self::Ack { seq } => frame(out, ACK, |out| out.extend_from_slice(&seq.to_le_bytes())),
            Self::Stop { key } => frame(out, STOP, |out| out.extend_from_slice(&key.to_le_bytes())),
            Self::Answer {
                request,
                status,
                body,
            } => frame(out, ANSWER, |out| {
                out.extend_from_slice(&request.to_le_bytes());
                out.extend_from_slice(&status.to_le_bytes());
                put_str(out, body);
            }),
        }
    }

    /// Reads a payload that [`split`] found.
    ///
    /// # Errors
    ///
    /// [`FrameError`] for a payload that is none of these frames, whole and nothing more.
    pub fn decode(payload: &'a [u8]) -> Result<Self, FrameError> {
        let mut fields = Fields(payload);
        let frame = match fields.u8()? {
            WELCOME => Self::Welcome {
                version: fields.u16()?,
                epoch: fields.str()?,
                known: fields.bool()?,
                last_seq: fields.u64()?,
                server: fields.str()?,
            },
            OPENED => Self::Opened {
                request: fields.u32()?,
                key: fields.u32()?,
                run: fields.u32()?,
                error: fields.str()?,
            },
            ACK => Self::Ack { seq: fields.u64()? },
            STOP => Self::Stop { key: fields.u32()? },
            ANSWER => Self::Answer {
                request: fields.u32()?,
                status: fields.u16()?,
                body: fields.str()?,
            },
            kind => return Err(FrameError::UnknownKind(kind)),
        };
        fields.end()?;
        Ok(frame)
    }
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
