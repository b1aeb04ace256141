use std::error::Error;
use std::fmt;

use memchr::{memchr, memchr2};

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The longest label of a field with its colon and space.
const LABEL_BYTES: usize = "event: ".len();

/// An event as it is dispatched (WHATWG HTML 9.2.6). Borrowed from the decoder: copy what is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodedEvent<'a> {
    /// The type; `message` where the block named none.
    pub event: &'a str,
    /// The lines of data, joined by LF.
    pub data: &'a str,
    /// The last event ID at dispatch, whichever block set it; empty where none did.
    pub id: &'a str,
    /// Its own block set that id.
    pub is_own_id: bool,
    /// The line at which its block begins, from 1.
    pub line: u64,
}

/// Why a decoder gave up. It stays given up until [`Decoder::reset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// The data of an event, or another field of it, is longer than `max_event_bytes`.
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooLarge { limit } = self;
        write!(
            out,
            "an event of at most {limit} bytes expected, got a longer one: raise max_event_bytes, or reset the \
             decoder and reconnect"
        )
    }
}

impl Error for DecodeError {}

/// An incremental decoder of one event stream, exact to WHATWG HTML 9.2.5 and 9.2.6.
///
/// Takes the stream in chunks of any size, cut anywhere; what it costs depends on the bytes, not on the number
/// of chunks. Holds at most the data, the type and the id of one event and one line: each is at most
/// `max_event_bytes` and a few bytes long.
#[derive(Debug)]
pub struct Decoder {
    max_event_bytes: usize,
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    place: Place,
    data: Vec<u8>,
    has_data: bool,
    event: String,
    /// The id of the block that is being read; it counts from the block's end on.
    next_id: String,
    has_next_id: bool,
    last_event_id: String,
    reconnection_time: Option<u64>,
    /// How many lines have ended.
    lines: u64,
    block_line: u64,
    error: Option<DecodeError>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(max_event_bytes: usize) -> Self {
        Self {
            max_event_bytes,
            line: Vec::new(),
            place: Place::Start { bom_bytes: 0 },
            data: Vec::new(),
            has_data: false,
            event: String::new(),
            next_id: String::new(),
            has_next_id: false,
            last_event_id: String::new(),
            reconnection_time: None,
            lines: 0,
            block_line: 1,
            error: None,
        }
    }

    /// The line at which the block begins that is being read, from 1; after an error, the one that is too large.
    pub fn block_line(&self) -> u64 {
        self.block_line
    }

    /// The last event ID: what a reader names when it returns. Empty where the stream set none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The last reconnection time that the stream set, in milliseconds.
    pub fn reconnection_time(&self) -> Option<u64> {
        self.reconnection_time
    }

    /// Makes ready for a new connection: an incomplete block and an error are forgotten, the last event ID and
    /// the reconnection time are kept.
    pub fn reset(&mut self) {
        self.line.clear();
        self.data.clear();
        self.event.clear();
        self.place = Place::Start { bom_bytes: 0 };
        self.has_data = false;
        self.has_next_id = false;
        self.lines = 0;
        self.block_line = 1;
        self.error = None;
    }

    /// Takes the next bytes of the stream and hands every event that they complete to `sink`, in order.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`], also for all later calls until [`Decoder::reset`]. Events before it are
    /// dispatched, wherever the chunks were cut.
    pub fn feed(
        &mut self,
        chunk: &[u8],
        mut sink: impl FnMut(DecodedEvent<'_>),
    ) -> Result<(), DecodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        self.decode(chunk, &mut sink).inspect_err(|error| {
            let block_line = self.block_line;
            self.reset();
            self.block_line = block_line;
            self.error = Some(*error);
        })
    }

    fn decode(
        &mut self,
        chunk: &[u8],
        sink: &mut impl FnMut(DecodedEvent<'_>),
    ) -> Result<(), DecodeError> {
        let mut rest = self.skip_start(chunk);
        let mut block = Block { first_data: None };
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end];
            let is_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end_line(line, &mut block, sink)?;
            if is_cr && rest.is_empty() {
                self.place = Place::AfterCr;
            } else if is_cr {
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
        }
        self.keep_line(rest)?;
        if let Some(first) = block.first_data {
            self.data.extend_from_slice(first);
        }
        Ok(())
    }

    /// What remains of a chunk without what the last one left open: a byte order mark, which may come in three
    /// chunks, or the LF of a CRLF.
    fn skip_start<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let mut rest = chunk;
        while let Some((first, others)) = rest.split_first() {
            match self.place {
                Place::Start { bom_bytes } if bom_bytes < BOM.len() && *first == BOM[bom_bytes] => {
                    self.place = Place::Start {
                        bom_bytes: bom_bytes + 1,
                    };
                    rest = others;
                }
                Place::Start { bom_bytes } => {
                    if bom_bytes < BOM.len() {
                        self.line.extend_from_slice(&BOM[..bom_bytes]);
                    }
                    self.place = Place::Line;
                }
                Place::AfterCr => {
                    self.place = Place::Line;
                    return rest.strip_prefix(b"\n").unwrap_or(rest);
                }
                Place::Line | Place::Comment => break,
            }
        }
        rest
    }

    /// A line is complete: `end` is the part of it that stands in this chunk.
    fn end_line<'c>(
        &mut self,
        end: &'c [u8],
        block: &mut Block<'c>,
        sink: &mut impl FnMut(DecodedEvent<'_>),
    ) -> Result<(), DecodeError> {
        self.lines += 1;
        if self.place == Place::Comment {
            self.place = Place::Line;
            return Ok(());
        }
        if self.line.is_empty() {
            return match Line::parse(end, self.max_event_bytes)? {
                Line::Data(value) if !self.has_data => {
                    // The usual event has one line of data, whole in one chunk: no copy of it is made.
                    self.check_data_bytes(value.len())?;
                    self.has_data = true;
                    block.first_data = Some(value);
                    Ok(())
                }
                line => self.take(&line, block, sink),
            };
        }
        let mut whole = std::mem::take(&mut self.line);
        whole.extend_from_slice(end);
        let line = Line::parse(&whole, self.max_event_bytes)?;
        self.take(&line, block, sink)?;
        whole.clear();
        self.line = whole;
        Ok(())
    }

    fn take(
        &mut self,
        line: &Line<'_>,
        block: &mut Block<'_>,
        sink: &mut impl FnMut(DecodedEvent<'_>),
    ) -> Result<(), DecodeError> {
        match line {
            Line::Blank => self.dispatch(block.first_data.take(), sink),
            Line::Data(value) => return self.push_data(value, block.first_data.take()),
            Line::Event(value) => replace_text(&mut self.event, value),
            Line::Id(value) => {
                replace_text(&mut self.next_id, value);
                self.has_next_id = true;
            }
            Line::Retry(value) => self.reconnection_time = Some(*value),
            Line::Other => {}
        }
        Ok(())
    }

    fn push_data(&mut self, value: &[u8], first: Option<&[u8]>) -> Result<(), DecodeError> {
        if let Some(first) = first {
            self.data.extend_from_slice(first);
        }
        self.check_data_bytes(self.data.len() + usize::from(self.has_data) + value.len())?;
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// WHATWG HTML 9.2.6: the id counts even where there is no data and so no event.
    fn dispatch(&mut self, first_data: Option<&[u8]>, sink: &mut impl FnMut(DecodedEvent<'_>)) {
        let is_own_id = std::mem::take(&mut self.has_next_id);
        if is_own_id {
            std::mem::swap(&mut self.last_event_id, &mut self.next_id);
        }
        if self.has_data {
            sink(DecodedEvent {
                event: if self.event.is_empty() {
                    "message"
                } else {
                    &self.event
                },
                data: &String::from_utf8_lossy(first_data.unwrap_or(&self.data)),
                id: &self.last_event_id,
                is_own_id,
                line: self.block_line,
            });
            self.data.clear();
            self.has_data = false;
        }
        self.event.clear();
        self.block_line = self.lines + 1;
    }

    /// Keeps the start of a line that goes on in the next chunk.
    fn keep_line(&mut self, start: &[u8]) -> Result<(), DecodeError> {
        if start.is_empty() || self.place == Place::Comment {
            return Ok(());
        }
        if self.line.is_empty() && start[0] == b':' {
            self.place = Place::Comment;
            return Ok(());
        }
        check_line_bytes(self.line.len() + start.len(), self.max_event_bytes)?;
        self.line.extend_from_slice(start);
        Ok(())
    }

    fn check_data_bytes(&self, bytes: usize) -> Result<(), DecodeError> {
        let limit = self.max_event_bytes;
        if bytes <= limit {
            Ok(())
        } else {
            Err(DecodeError::TooLarge { limit })
        }
    }
}

fn check_line_bytes(bytes: usize, limit: usize) -> Result<(), DecodeError> {
    if bytes <= limit + LABEL_BYTES {
        Ok(())
    } else {
        Err(DecodeError::TooLarge { limit })
    }
}

/// Where in the stream a chunk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the stream's start, after so many bytes of a byte order mark.
    Start { bom_bytes: usize },
    /// Before a line or in one.
    Line,
    /// In a comment: its bytes are of no use, so a long one needs no memory.
    Comment,
    /// After a CR that ended a line: an LF that follows belongs to it.
    AfterCr,
}

/// What of the block under way stands in the chunk only.
struct Block<'c> {
    /// Its first line of data, as long as that is its only one.
    first_data: Option<&'c [u8]>,
}

/// A line by what it means. Values are as on the wire, without one leading space.
enum Line<'a> {
    Blank,
    Data(&'a [u8]),
    Event(&'a [u8]),
    Id(&'a [u8]),
    Retry(u64),
    /// A comment, an unknown field, or a value that the standard has ignored.
    Other,
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8], max_event_bytes: usize) -> Result<Self, DecodeError> {
        if line.is_empty() {
            return Ok(Self::Blank);
        }
        if line[0] == b':' {
            return Ok(Self::Other);
        }
        check_line_bytes(line.len(), max_event_bytes)?;
        if let Some(value) = line.strip_prefix(b"data:") {
            return Ok(Self::Data(without_space(value)));
        }
        let (name, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], without_space(&line[colon + 1..])),
            None => (line, &line[line.len()..]),
        };
        Ok(match name {
            b"data" => Self::Data(value),
            b"event" => Self::Event(value),
            b"id" if memchr(0, value).is_none() => Self::Id(value),
            b"retry" => parse_retry(value).map_or(Self::Other, Self::Retry),
            _ => Self::Other,
        })
    }
}

fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// ASCII digits and nothing else; a number that is too large for 64 bits is the largest.
fn parse_retry(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        value.iter().fold(0_u64, |number, digit| {
            number
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

/// Text from the wire: bytes that are no UTF-8 become U+FFFD, as in browsers.
fn replace_text(text: &mut String, value: &[u8]) {
    text.clear();
    text.push_str(&String::from_utf8_lossy(value));
}
