//! The lines of an event stream, in pieces as they come: only what the measurement needs of them.

use memchr::{memchr2, memmem};

/// What one event of the stream says.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An event of a measurement: its run, its number and when it was to be published.
    Event { run: u64, number: u64, due: u64 },
    /// So many events are announced as lost.
    Gap { count: u64 },
    /// The id of the block under way: seen before what the block is, which may not come.
    Id(&'a [u8]),
    /// An event with data of another kind.
    Other,
}

/// What stands in the block under way.
#[derive(Debug, Default, Clone, Copy)]
struct Block {
    has_data: bool,
    is_gap: bool,
    is_control: bool,
    run: u64,
    number: u64,
    due: u64,
    lost: u64,
}

/// Splits pieces into lines and lines into events.
#[derive(Debug, Default)]
pub struct Stream {
    /// An unfinished line.
    held: Vec<u8>,
    /// The last line ended with CR: a LF now belongs to it.
    skips_newline: bool,
    block: Block,
}

impl Stream {
    /// Takes the next piece; `sink` gets what is complete, in order.
    pub fn feed(&mut self, mut piece: &[u8], mut sink: impl FnMut(Seen<'_>)) {
        while !piece.is_empty() {
            if std::mem::take(&mut self.skips_newline) && piece[0] == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', piece) else {
                self.held.extend_from_slice(piece);
                return;
            };
            self.skips_newline = piece[end] == b'\r';
            if self.held.is_empty() {
                self.block.take_line(&piece[..end], &mut sink);
            } else {
                self.held.extend_from_slice(&piece[..end]);
                self.block.take_line(&self.held, &mut sink);
                self.held.clear();
            }
            piece = &piece[end + 1..];
        }
    }
}

impl Block {
    fn take_line(&mut self, line: &[u8], sink: &mut impl FnMut(Seen<'_>)) {
        match line.first() {
            None => self.end(sink),
            Some(b'd') => self.take_data(line),
            Some(b'e') => {
                if let Some(kind) = value(line, b"event") {
                    self.is_gap = kind == b"sse.gap";
                    self.is_control = kind.starts_with(b"sse.");
                }
            }
            Some(b'i') => {
                if let Some(id) = value(line, b"id") {
                    sink(Seen::Id(id));
                }
            }
            Some(_) => {}
        }
    }

    fn take_data(&mut self, line: &[u8]) {
        let Some(data) = value(line, b"data") else {
            return;
        };
        self.has_data = true;
        if self.is_gap {
            self.lost += integer_after(data, b"\"count\":").0;
        } else if !self.is_control && self.due == 0 {
            let (run, rest) = integer_after(data, b"\"run\":");
            let (number, rest) = integer_after(rest, b"\"n\":");
            let (due, _) = integer_after(rest, b"\"ts\":");
            (self.run, self.number, self.due) = (run, number, due);
        }
    }

    fn end(&mut self, sink: &mut impl FnMut(Seen<'_>)) {
        let block = std::mem::take(self);
        if !block.has_data {
            return;
        }
        sink(if block.is_gap {
            Seen::Gap { count: block.lost }
        } else if block.number > 0 && block.due > 0 {
            Seen::Event {
                run: block.run,
                number: block.number,
                due: block.due,
            }
        } else {
            Seen::Other
        });
    }
}

/// The value of a line if its field is `name`.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// The integer after `key`, 0 where there is none, and what follows it. The keys stand in their order at the start of the data, so that
/// looking on from the last one finds the next at once.
fn integer_after<'a>(text: &'a [u8], key: &[u8]) -> (u64, &'a [u8]) {
    let near = (0..3).find(|&at| text.get(at..).is_some_and(|rest| rest.starts_with(key)));
    let Some(at) = near.or_else(|| memmem::find(text, key)) else {
        return (0, text);
    };
    let mut rest = &text[at + key.len()..];
    while let [b' ', after @ ..] = rest {
        rest = after;
    }
    let mut number = 0_u64;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        number = number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'));
        rest = after;
    }
    (number, rest)
}

#[cfg(test)]
mod tests {
    use super::{Seen, Stream};

    /// What is seen when the text comes in pieces of `size` bytes.
    fn seen(text: &str, size: usize) -> Vec<String> {
        let mut found = Vec::new();
        let mut stream = Stream::default();
        for piece in text.as_bytes().chunks(size) {
            stream.feed(piece, |seen| {
                found.push(match seen {
                    Seen::Event { run, number, due } => format!("{run}/{number}@{due}"),
                    Seen::Gap { count } => format!("gap {count}"),
                    Seen::Id(id) => format!("id {}", String::from_utf8_lossy(id)),
                    Seen::Other => "other".to_owned(),
                });
            });
        }
        found
    }

    const TEXT: &str = "retry: 2000\n\n: hello\n\nid: a\ndata: {\"run\":3,\"n\":17,\"ts\":99,\"x\":\"\"}\n\n\
        event: sse.gap\ndata: {\"lost\":{\"count\":5,\"from\":1}}\n\n\
        data: {\"x\": 7, \"run\": 2, \"n\": 1, \"ts\": 3}\n\nevent: sse.state\ndata: {\"n\":1}\n\ndata: hello\n\n";

    #[test]
    fn events_gaps_and_ids_are_told_apart_however_the_stream_is_cut() {
        for size in 1..TEXT.len() {
            let found = seen(TEXT, size);
            let expected = ["id a", "3/17@99", "gap 5", "2/1@3", "other", "other"];
            assert_eq!(found, expected, "{size}");
        }
    }

    #[test]
    fn all_line_ends_of_the_standard_end_a_line() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("data: {{\"run\":1,\"n\":2,\"ts\":3}}{end}{end}data:x{end}{end}");
            for size in 1..5 {
                assert_eq!(seen(&text, size), ["1/2@3", "other"], "{end:?}");
            }
        }
    }

    #[test]
    fn a_comment_and_a_block_without_data_are_no_events() {
        assert_eq!(seen(": ping\n\nid: 7\n\nevent: x\n\n", 4), ["id 7"]);
    }
}
