use super::{Fields, FrameError, frame, put_str};

const WELCOME: u8 = 65;
const OPENED: u8 = 66;
const ACK: u8 = 67;
const STOP: u8 = 68;
const ANSWER: u8 = 69;
const BEGIN: u8 = 70;
const CREDIT: u8 = 71;

/// What the hub says to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToKernel<'a> {
    /// The answer to `Hello`.
    Welcome {
        /// The hub's [`super::VERSION`].
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
    /// A reader of a route has come: answered by an `Open` of the kind [`crate::RunKind::Visit`].
    Begin {
        /// The route.
        key: u32,
        /// Names the visit in the options of that `Open`.
        visit: u64,
        /// JSON: what the reader asked for, and who it is.
        request: &'a str,
    },
    /// The reader of a visit wants more.
    Credit {
        /// The visit's producer.
        key: u32,
        /// What its events may have cost in all (see [`super::event_cost`]). What begins below it may go beyond.
        bytes: u64,
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
            Self::Begin {
                key,
                visit,
                request,
            } => frame(out, BEGIN, |out| {
                out.extend_from_slice(&key.to_le_bytes());
                out.extend_from_slice(&visit.to_le_bytes());
                put_str(out, request);
            }),
            Self::Credit { key, bytes } => frame(out, CREDIT, |out| {
                out.extend_from_slice(&key.to_le_bytes());
                out.extend_from_slice(&bytes.to_le_bytes());
            }),
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

    /// Reads a payload that [`super::split`] found.
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
            BEGIN => Self::Begin {
                key: fields.u32()?,
                visit: fields.u64()?,
                request: fields.str()?,
            },
            CREDIT => Self::Credit {
                key: fields.u32()?,
                bytes: fields.u64()?,
            },
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
