use std::error::Error;
use std::fmt;

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};

use crate::event::Event;
use crate::position::{is_end_id, push_number};

/// The longest id, in bytes of UTF-8: browsers resend it in a header, and beyond this length each
/// cross-origin reconnection costs a preflight.
pub const MAX_ID_BYTES: usize = 128;

/// The longest event type, in bytes of UTF-8.
pub const MAX_EVENT_TYPE_BYTES: usize = 1024;

/// What the types of control events begin with; no producer's type may.
pub const RESERVED_PREFIX: &str = "sse.";

/// What each line of data begins with.
const DATA_LABEL: &str = "data: ";

/// The longest line that tells a reconnection time.
const MAX_RETRY_BYTES: usize = "retry: \n".len() + 20;

/// A field that is one line and so cannot hold everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The event's type.
    Event,
    /// The event's id.
    Id,
}

impl Field {
    /// The field's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Id => "id",
        }
    }
}

/// Why an event cannot be sent. The value itself is left to the caller, who knows how to show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// CR or LF in a field of one line: it would end the field and inject another.
    LineBreak(Field),
    /// The id has control characters, or a space at an end: no reader could send it back in a header (RFC 9110, 5.5).
    NoHeader,
    /// A field of one line is too long.
    TooLong {
        /// Which.
        field: Field,
        /// How long it is, in bytes of UTF-8.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// A type that begins with [`RESERVED_PREFIX`].
    ReservedType,
    /// An id of the form of [`crate::end_id`].
    ReservedId,
    /// The data, retry and comment lines take more than `max_event_bytes`.
    TooLarge {
        /// What they take on the wire.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl EncodeError {
    /// The field that is wrong, as it is called on the wire; `data` for an event that is too large.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::LineBreak(field) | Self::TooLong { field, .. } => field.as_str(),
            Self::NoHeader | Self::ReservedId => Field::Id.as_str(),
            Self::ReservedType => Field::Event.as_str(),
            Self::TooLarge { .. } => "data",
        }
    }

    /// What the field must be.
    pub fn expected(&self) -> String {
        match self {
            Self::LineBreak(_) => "one line of text".to_owned(),
            Self::NoHeader => {
                "text without control characters, and without a space at either end".to_owned()
            }
            Self::TooLong { limit, .. } => format!("at most {limit} bytes of UTF-8"),
            Self::ReservedType => format!("a type that does not begin with {RESERVED_PREFIX:?}"),
            Self::ReservedId => "an id that has not the form of an end id".to_owned(),
            Self::TooLarge { limit, .. } => format!("an event of at most {limit} bytes"),
        }
    }

    /// What to do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::LineBreak(_) => "text of several lines belongs into data",
            Self::NoHeader => "remove them, readers send the id back in a header",
            Self::TooLong { .. } => "shorten it, or put it into data",
            Self::ReservedType => "choose another type, this prefix is kept for control events",
            Self::ReservedId => "choose another id, this form tells readers that a stream is over",
            Self::TooLarge { .. } => {
                "send it in parts, send a link to it, or raise max_event_bytes"
            }
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} must be {}", self.field(), self.expected())?;
        if let Self::TooLong { bytes, .. } | Self::TooLarge { bytes, .. } = self {
            write!(out, ", got {bytes} bytes")?;
        }
        write!(out, ": {}", self.remedy())
    }
}

impl Error for EncodeError {}

/// Checks a producer's event type.
///
/// # Errors
///
/// A line break, the reserved prefix, or more than [`MAX_EVENT_TYPE_BYTES`].
pub fn check_event_type(event: &str) -> Result<(), EncodeError> {
    let field = Field::Event;
    if memchr2(b'\r', b'\n', event.as_bytes()).is_some() {
        Err(EncodeError::LineBreak(field))
    } else if event.starts_with(RESERVED_PREFIX) {
        Err(EncodeError::ReservedType)
    } else if event.len() > MAX_EVENT_TYPE_BYTES {
        Err(EncodeError::TooLong {
            field,
            bytes: event.len(),
            limit: MAX_EVENT_TYPE_BYTES,
        })
    } else {
        Ok(())
    }
}

/// Checks a producer's own id.
///
/// # Errors
///
/// A line break, what no header carries, the form of [`crate::end_id`], or more than [`MAX_ID_BYTES`].
pub fn check_id(id: &str) -> Result<(), EncodeError> {
    let field = Field::Id;
    if id.len() > MAX_ID_BYTES {
        Err(EncodeError::TooLong {
            field,
            bytes: id.len(),
            limit: MAX_ID_BYTES,
        })
    } else if memchr2(b'\r', b'\n', id.as_bytes()).is_some() {
        Err(EncodeError::LineBreak(field))
    } else if !is_header_value(id.as_bytes()) {
        Err(EncodeError::NoHeader)
    } else if is_end_id(id) {
        Err(EncodeError::ReservedId)
    } else {
        Ok(())
    }
}

/// Whether a header carries this text as it is: a server answers 400 to control characters, and leaves out spaces at the ends.
fn is_header_value(text: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_control = |&byte: &u8| byte.is_ascii_control() && byte != b'\t';
    !is_space(text.first()) && !is_space(text.last()) && !text.iter().any(is_control)
}

/// Checks that [`encode_body`] or [`encode_json_body`] of the same values takes at most `max_event_bytes`.
///
/// # Errors
///
/// [`EncodeError::TooLarge`] with the exact size.
#[inline]
pub fn check_body_size(
    data: Option<&[u8]>,
    retry: Option<u64>,
    comment: Option<&str>,
    max_event_bytes: usize,
) -> Result<(), EncodeError> {
    let comment = comment.map(str::as_bytes);
    let raw = data.map_or(0, <[u8]>::len) + comment.map_or(0, <[u8]>::len);
    // Were every byte a line end, each would grow to a line of its own. Few events come near: no second look.
    let most = (raw + 2)
        .saturating_mul(DATA_LABEL.len() + 1)
        .saturating_add(MAX_RETRY_BYTES + 1);
    if most <= max_event_bytes {
        return Ok(());
    }
    let lines = |label, text: Option<&[u8]>| text.map_or(0, |text| lines_bytes(label, text));
    let bytes = lines(DATA_LABEL, data)
        + lines(": ", comment)
        + retry.map_or(0, |retry| format!("retry: {retry}\n").len())
        + 1;
    if bytes <= max_event_bytes {
        Ok(())
    } else {
        Err(EncodeError::TooLarge {
            bytes,
            limit: max_event_bytes,
        })
    }
}

/// Appends a whole block after checking it: type, id, and [`encode_body`].
///
/// # Errors
///
/// [`EncodeError`]; then nothing was appended.
pub fn encode(event: &Event, max_event_bytes: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let data = event.data.as_deref();
    let comment = event.comment.as_deref();
    event.event.as_deref().map_or(Ok(()), check_event_type)?;
    event.id.as_deref().map_or(Ok(()), check_id)?;
    check_body_size(
        data.map(str::as_bytes),
        event.retry,
        comment,
        max_event_bytes,
    )?;
    encode_head(out, event.event.as_deref(), event.id.as_deref());
    encode_body(out, data, event.retry, comment);
    Ok(())
}

/// Appends what stands before the body of a block: `event: …` and `id: …`. Checks nothing, so that the hub
/// can write its control events; other values must have passed [`check_event_type`] and [`check_id`].
pub fn encode_head(out: &mut Vec<u8>, event: Option<&str>, id: Option<&str>) {
    for (label, value) in [
        ("event: ", event.filter(|event| !event.is_empty())),
        ("id: ", id),
    ] {
        if let Some(value) = value {
            out.extend_from_slice(label.as_bytes());
            out.extend_from_slice(value.as_bytes());
            out.push(b'\n');
        }
    }
}

/// Appends everything of a block except `event:` and `id:`: `data: …` lines, retry, comment, and the blank line.
pub fn encode_body(
    out: &mut Vec<u8>,
    data: Option<&str>,
    retry: Option<u64>,
    comment: Option<&str>,
) {
    push_body(out, data.map(str::as_bytes), retry, comment);
}

/// The same for JSON that is already UTF-8. A line break between its tokens becomes a second `data:` line.
pub fn encode_json_body(out: &mut Vec<u8>, json: &[u8], retry: Option<u64>, comment: Option<&str>) {
    push_body(out, Some(json), retry, comment);
}

/// What [`encode_body`] writes of data that is one line, and of nothing else: for callers who make room of the exact length
/// first. `None`: it is more than one line.
#[inline]
pub fn line_body(data: &[u8]) -> Option<[&[u8]; 3]> {
    let is_line = memchr2(b'\r', b'\n', data).is_none();
    is_line.then_some([DATA_LABEL.as_bytes(), data, b"\n\n"])
}

fn push_body(out: &mut Vec<u8>, data: Option<&[u8]>, retry: Option<u64>, comment: Option<&str>) {
    if let Some(data) = data {
        push_lines(out, DATA_LABEL, data);
    }
    if let Some(retry) = retry {
        out.extend_from_slice(b"retry: ");
        push_number(out, retry);
        out.push(b'\n');
    }
    if let Some(comment) = comment {
        push_lines(out, ": ", comment.as_bytes());
    }
    out.push(b'\n');
}

/// One line for each line of the text, also for the empty one after a final line end: readers drop only one.
fn push_lines(out: &mut Vec<u8>, label: &str, text: &[u8]) {
    // Room for the labels of lines of 48 bytes and more: growing once costs as much as the rest.
    out.reserve(label.len() + text.len() + text.len() / 8 + 2);
    out.extend_from_slice(label.as_bytes());
    // Most texts are one line. In others a CR is rare, and the ends of many short lines are found twice as fast when LF
    // alone is sought.
    let rest = if memchr2(b'\r', b'\n', text).is_none() {
        text
    } else if memchr(b'\r', text).is_none() {
        push_lf_lines(out, label, text)
    } else {
        push_mixed_lines(out, label, text)
    };
    out.extend_from_slice(rest);
    out.push(b'\n');
}

/// The lines of a text without CR, each with the label of the next one behind it; what is left is the last line.
fn push_lf_lines<'a>(out: &mut Vec<u8>, label: &str, text: &'a [u8]) -> &'a [u8] {
    let mut start = 0;
    for end in memchr_iter(b'\n', text) {
        out.extend_from_slice(&text[start..=end]);
        out.extend_from_slice(label.as_bytes());
        start = end + 1;
    }
    &text[start..]
}

/// The same where CR, CRLF and LF are line ends.
fn push_mixed_lines<'a>(out: &mut Vec<u8>, label: &str, text: &'a [u8]) -> &'a [u8] {
    let mut start = 0;
    for end in memchr2_iter(b'\r', b'\n', text) {
        // Before the start stands the LF of a CRLF only.
        if end >= start {
            out.extend_from_slice(&text[start..end]);
            out.push(b'\n');
            out.extend_from_slice(label.as_bytes());
            let is_pair = text[end..].starts_with(b"\r\n");
            start = end + 1 + usize::from(is_pair);
        }
    }
    &text[start..]
}

/// What [`push_lines`] appends, in bytes.
fn lines_bytes(label: &str, text: &[u8]) -> usize {
    let mut breaks = 0;
    let mut break_bytes = 0;
    for index in memchr2_iter(b'\r', b'\n', text) {
        let is_second_half = text[index] == b'\n' && index > 0 && text[index - 1] == b'\r';
        breaks += usize::from(!is_second_half);
        break_bytes += 1;
    }
    text.len() - break_bytes + (breaks + 1) * (label.len() + 1)
}
