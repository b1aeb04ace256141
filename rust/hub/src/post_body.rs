//! The body of a POST as events, read as it comes: whatever its length, no more of it is held than one event.

use jupyter_sse_codec::{Decoder, check_body_size, check_event_type, check_id, encode_body};
use memchr::memchr;

use crate::json_event::{self, Refused, compact, refused_field, refused_size, too_large};
use crate::log::Incoming;

/// An escape such as `\u0041` takes six bytes for one: a text that becomes an event is at most so many times as long.
const LONGEST_ESCAPE: usize = 6;
/// What an object may add around the data of an event: names, type, id.
const FRAME_BYTES: usize = 4 << 10;
/// What is kept of a buffer that a long line has made large.
const KEPT_BYTES: usize = 256 << 10;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/json`: one value.
    Json,
    /// `application/x-ndjson`: one value on each line that is not blank.
    JsonLines,
    /// `text/event-stream`.
    EventStream,
}

impl Format {
    /// The format of a media type, where it is one of these.
    pub fn parse(media_type: &str) -> Option<Self> {
        match media_type {
            "application/json" => Some(Self::Json),
            "application/x-ndjson" => Some(Self::JsonLines),
            "text/event-stream" => Some(Self::EventStream),
            _ => None,
        }
    }
}

/// Why a body is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    /// What was expected, what came, what to do.
    pub message: String,
    /// What kind of error it is.
    pub kind: BodyErrorKind,
    /// The line, from 1; of an event stream the first of the event.
    pub line: u64,
}

/// What is wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyErrorKind {
    /// It is not what its type says.
    Body,
    /// A field of an event cannot be sent.
    Field,
    /// An event is too large.
    TooLarge,
}

/// Events that were read and are not yet appended.
#[derive(Debug, Default)]
pub(crate) struct Events {
    bytes: Vec<u8>,
    /// Where the type, the id and the body of each end.
    ends: Vec<[usize; 3]>,
}

impl Events {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.ends.clear();
        self.ends.shrink_to(KEPT_BYTES / size_of::<[usize; 3]>());
    }

    pub(crate) fn get(&self, index: usize) -> Option<Incoming<'_>> {
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before)?[2],
            None => 0,
        };
        let [event, id, body] = *self.ends.get(index)?;
        Some(Incoming {
            event: &self.bytes[start..event],
            id: &self.bytes[event..id],
            body: &self.bytes[id..body],
        })
    }

    fn push(&mut self, event: &str, id: &str, encode_body: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.extend_from_slice(event.as_bytes());
        let event = self.bytes.len();
        self.bytes.extend_from_slice(id.as_bytes());
        let id = self.bytes.len();
        encode_body(&mut self.bytes);
        self.ends.push([event, id, self.bytes.len()]);
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Body {
    format: Format,
    max_event_bytes: usize,
    /// What has come of a value or of a character whose end has not come yet.
    held: Vec<u8>,
    /// One value without its space.
    json: String,
    /// The line that is being read, of JSON lines.
    line: u64,
    decoder: Decoder,
}

impl Body {
    pub(crate) fn new(format: Format, max_event_bytes: usize) -> Self {
        Self {
            format,
            max_event_bytes,
            held: Vec::new(),
            json: String::new(),
            line: 1,
            decoder: Decoder::new(max_event_bytes),
        }
    }

    /// Takes the next bytes; the events that they complete are pushed to `events`, also those before an error.
    ///
    /// # Errors
    ///
    /// The body is refused from there on.
    pub(crate) fn feed(&mut self, chunk: &[u8], events: &mut Events) -> Result<(), BodyError> {
        match self.format {
            Format::Json => self.hold(chunk),
            Format::JsonLines => self.feed_lines(chunk, events),
            Format::EventStream => self.feed_stream(chunk, events),
        }
    }

    /// The body is over, and what it holds is whole: its end ends the last event too.
    ///
    /// # Errors
    ///
    /// What was held is no event.
    pub(crate) fn finish(&mut self, events: &mut Events) -> Result<(), BodyError> {
        match self.format {
            Format::Json => self.end_held(events),
            Format::JsonLines => self.end_held_line(events),
            Format::EventStream if !self.held.is_empty() => {
                Err(self.no_utf8("the end within a character"))
            }
            Format::EventStream => self.decode("\n\n", events),
        }
    }

    fn feed_lines(&mut self, chunk: &[u8], events: &mut Events) -> Result<(), BodyError> {
        let mut rest = chunk;
        while let Some(end) = memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            if self.held.is_empty() {
                self.end_line(line, events)?;
            } else {
                self.hold(line)?;
                self.end_held_line(events)?;
            }
            self.line += 1;
        }
        self.hold(rest)
    }

    fn end_held_line(&mut self, events: &mut Events) -> Result<(), BodyError> {
        let held = std::mem::take(&mut self.held);
        self.end_line(&held, events)?;
        self.keep_buffer(held);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], events: &mut Events) -> Result<(), BodyError> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        self.end_value(line, events)
    }

    fn end_held(&mut self, events: &mut Events) -> Result<(), BodyError> {
        let held = std::mem::take(&mut self.held);
        self.end_value(&held, events)?;
        self.keep_buffer(held);
        Ok(())
    }

    fn keep_buffer(&mut self, mut held: Vec<u8>) {
        held.clear();
        held.shrink_to(KEPT_BYTES);
        self.held = held;
    }

    fn hold(&mut self, part: &[u8]) -> Result<(), BodyError> {
        self.check_text_bytes(self.held.len() + part.len())?;
        self.held.extend_from_slice(part);
        Ok(())
    }

    fn check_text_bytes(&self, bytes: usize) -> Result<(), BodyError> {
        let longest = self.max_event_bytes.saturating_mul(LONGEST_ESCAPE);
        if bytes > longest.saturating_add(FRAME_BYTES) {
            let refused = too_large(self.max_event_bytes, None);
            return Err(self.refused(refused, self.line));
        }
        Ok(())
    }

    /// A whole value has come.
    fn end_value(&mut self, text: &[u8], events: &mut Events) -> Result<(), BodyError> {
        self.check_text_bytes(text.len())?;
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        let read = compact(text, &mut json)
            .and_then(|()| json_event::read(&json, self.max_event_bytes))
            .map_err(|refused| self.refused(refused, self.line))?;
        events.push(&read.event, &read.id, |out| read.encode_body(out));
        drop(read);
        json.shrink_to(KEPT_BYTES);
        self.json = json;
        Ok(())
    }

    /// The decoder takes what is no UTF-8 as U+FFFD, as browsers do; who publishes it is told instead.
    fn feed_stream(&mut self, chunk: &[u8], events: &mut Events) -> Result<(), BodyError> {
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(chunk);
        let (text, rest) = match std::str::from_utf8(&whole) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (sound, rest) = whole.split_at(error.valid_up_to());
                self.decode(std::str::from_utf8(sound).unwrap_or_default(), events)?;
                if error.error_len().is_some() {
                    return Err(self.no_utf8(&format!("the byte {:#04x}", rest[0])));
                }
                ("", rest)
            }
        };
        self.decode(text, events)?;
        self.held = rest.to_vec();
        Ok(())
    }

    fn decode(&mut self, text: &str, events: &mut Events) -> Result<(), BodyError> {
        let max_event_bytes = self.max_event_bytes;
        let mut failure = None;
        let fed = self.decoder.feed(text.as_bytes(), |event| {
            if failure.is_some() {
                return;
            }
            let kind = if event.event == "message" {
                ""
            } else {
                event.event
            };
            let id = if event.is_own_id { event.id } else { "" };
            let checked = check_event_type(kind)
                .map_err(|error| refused_field(&error, kind))
                .and_then(|()| check_id(id).map_err(|error| refused_field(&error, id)))
                .and_then(|()| {
                    check_body_size(Some(event.data.as_bytes()), None, None, max_event_bytes)
                        .map_err(|error| refused_size(&error, max_event_bytes))
                });
            match checked {
                Ok(()) => events.push(kind, id, |out| {
                    encode_body(out, Some(event.data), None, None);
                }),
                Err(refused) => failure = Some((refused, event.line)),
            }
        });
        if let Some((refused, line)) = failure {
            return Err(self.refused(refused, line));
        }
        fed.map_err(|_| {
            let refused = too_large(max_event_bytes, None);
            self.refused(refused, self.decoder.block_line())
        })
    }

    fn no_utf8(&self, got: &str) -> BodyError {
        let message = format!("expected UTF-8, got {got}; encode the text as UTF-8");
        self.refused(Refused::Json(message), self.decoder.block_line())
    }

    fn refused(&self, refused: Refused, line: u64) -> BodyError {
        let (kind, message) = match refused {
            Refused::Json(message) => (BodyErrorKind::Body, message),
            Refused::Field(message) => (BodyErrorKind::Field, message),
            Refused::TooLarge(message) => (BodyErrorKind::TooLarge, message),
        };
        let message = match self.format {
            Format::Json => message,
            Format::JsonLines => format!("line {line}: {message}"),
            Format::EventStream => format!("the event at line {line}: {message}"),
        };
        BodyError {
            message,
            kind,
            line,
        }
    }
}

#[cfg(test)]
#[path = "post_body_test.rs"]
mod tests;
