use super::{Fields, FrameError, frame, put_str};

/// The bytes of a [`ToHub::Event`] payload beside its type, id and body.
pub const EVENT_OVERHEAD_BYTES: usize = 1 + 8 + 4 + 2 + 1;

const HELLO: u8 = 1;
const SUBSCRIBE: u8 = 2;
const OPEN: u8 = 3;
const EVENT: u8 = 4;
const LOST: u8 = 5;
const END: u8 = 6;
const REQUEST: u8 = 7;
const HEAD: u8 = 8;

/// What a kernel says to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToHub<'a> {
    /// The first frame of a link.
    Hello {
        /// The kernel's [`super::VERSION`].
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
    /// The first frame of a subscription's socket; answered by [`super::ToKernel::Answer`] with request 0, after
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
        /// Comes back in [`super::ToKernel::Opened`].
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
    /// What the response to the reader of a visit says beside its events; before the first of them.
    Head {
        /// Place in the link's sequence.
        seq: u64,
        /// The visit's producer.
        key: u32,
        /// JSON `{"headers": {name: value}}`.
        head: &'a str,
    },
    /// A question that is answered by [`super::ToKernel::Answer`].
    Request {
        /// Comes back in the answer; not 0.
        request: u32,
        /// JSON.
        body: &'a str,
    },
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
            Self::Head { seq, key, head } => frame(out, HEAD, |out| {
                out.extend_from_slice(&seq.to_le_bytes());
                out.extend_from_slice(&key.to_le_bytes());
                put_str(out, head);
            }),
            Self::Request { request, body } => frame(out, REQUEST, |out| {
                out.extend_from_slice(&request.to_le_bytes());
                put_str(out, body);
            }),
        }
    }

    /// Reads a payload that [`super::split`] found.
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
            HEAD => Self::Head {
                seq: fields.u64()?,
                key: fields.u32()?,
                head: fields.str()?,
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
