//! The log of one stream: its newest events, as they go over the wire, in order.
//!
//! Pure: no clock, no socket, no lock. Time comes in as unix milliseconds. Events are numbered from 1 by `n`, over all runs of the
//! stream. What is *held* is a suffix of all events; the *history* is a suffix of what is held and lies within the current run. Between
//! the two lies the live window, which only readers that are connected can still get.

use std::collections::{HashMap, VecDeque};

use jupyter_sse_codec::{Epoch, Position};

use crate::clock::millis;
use crate::options::HistoryBounds;

/// Bytes of one block: large enough that a pass copies few spans, small enough that eviction frees memory soon.
const BLOCK_BYTES: usize = 64 << 10;

/// What one held event costs beyond its bytes on the wire.
pub const ENTRY_BYTES: usize = std::mem::size_of::<Entry>();

/// One event as it comes in: its type, its own id and the rest of its block (see `codec::encoder::encode_body`).
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// The event's type; empty: the default, `message`.
    pub event: &'a [u8],
    /// The producer's own id; empty: none, the position stands for it.
    pub id: &'a [u8],
    /// Data, retry and comment lines with the blank line that ends the block.
    pub body: &'a [u8],
}

/// Where one held event stands, and how to take its block apart.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Place among all events of the server.
    pub seq: u64,
    /// When it was appended, in unix milliseconds.
    pub at: u64,
    /// Of its first byte among all bytes this log ever held.
    offset: u64,
    len: u32,
    type_len: u32,
    id_len: u8,
    own_id: bool,
}

impl Entry {
    fn cost(&self) -> usize {
        self.len as usize + ENTRY_BYTES
    }
}

#[derive(Debug)]
struct Block {
    offset: u64,
    bytes: Vec<u8>,
}

/// How the `id:` line of a copied event reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdLine {
    /// The producer's own id where there is one, else the position.
    Own,
    /// The position, always.
    Position,
    /// No line: the reader's cursor must not move.
    Absent,
}

/// Events copied from a log, ready to be written.
#[derive(Debug, Default)]
pub struct Batch {
    /// The number of the first event.
    pub from: u64,
    /// The blocks, one after the other.
    pub bytes: Vec<u8>,
    /// Where each block ends within `bytes`.
    pub ends: Vec<usize>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Log {
    bounds: HistoryBounds,
    blocks: VecDeque<Block>,
    entries: VecDeque<Entry>,
    /// The newest `n` under each own id that is held.
    own_ids: HashMap<Box<[u8]>, u64>,
    /// `n` of the first event it ever took.
    birth: u64,
    /// `n` of the oldest held event; of the next one when none is held.
    first: u64,
    /// `n` of the oldest event of the history.
    history_first: u64,
    /// `n` of the current run's first event.
    run_first: u64,
    /// `seq` of the newest event that is no longer held; 0: none.
    evicted_seq: u64,
    next_offset: u64,
    held_bytes: usize,
    history_bytes: usize,
}

impl Log {
    /// An empty log.
    pub fn new(bounds: HistoryBounds) -> Self {
        Self::resume(bounds, 0, 0)
    }

    /// An empty log that goes on where another one stopped: after its event `n`, which stood at `seq`.
    pub fn resume(bounds: HistoryBounds, n: u64, seq: u64) -> Self {
        Self {
            bounds,
            blocks: VecDeque::new(),
            entries: VecDeque::new(),
            own_ids: HashMap::new(),
            birth: n + 1,
            first: n + 1,
            history_first: n + 1,
            run_first: n + 1,
            evicted_seq: seq,
            next_offset: 0,
            held_bytes: 0,
            history_bytes: 0,
        }
    }

    /// `n` of the event that comes next.
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// `n` of the first event it ever took.
    pub fn birth(&self) -> u64 {
        self.birth
    }

    /// `n` of the oldest event held.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// `n` of the oldest event that newcomers get.
    pub fn history_first(&self) -> u64 {
        self.history_first
    }

    /// `n` of the first event of the current run.
    pub fn run_first(&self) -> u64 {
        self.run_first
    }

    /// `seq` of the newest event that is gone; 0 where none is.
    pub fn evicted_seq(&self) -> u64 {
        self.evicted_seq
    }

    /// `seq` of the newest event, held or not; 0 where there was none.
    pub fn newest_seq(&self) -> u64 {
        self.entries
            .back()
            .map_or(self.evicted_seq, |entry| entry.seq)
    }

    /// What is held, in bytes, the fixed cost per event included.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What of it is history.
    pub fn history_bytes(&self) -> usize {
        self.history_bytes
    }

    /// The held event `n`.
    pub fn entry(&self, n: u64) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(n.checked_sub(self.first)?).ok()?)
    }

    /// The newest held event with this own id.
    pub fn find_own_id(&self, id: &[u8]) -> Option<u64> {
        self.own_ids.get(id).copied()
    }

    /// `n` of the first held event that comes after `seq`.
    pub fn first_after_seq(&self, seq: u64) -> u64 {
        self.first + self.entries.partition_point(|entry| entry.seq <= seq) as u64
    }

    /// Appends one event and returns its `n`. The history stays within its bounds; call [`Log::trim`] for what lies before it.
    pub fn append(&mut self, epoch: &Epoch, seq: u64, at: u64, incoming: Incoming<'_>) -> u64 {
        let n = self.next();
        let id_line = if incoming.id.is_empty() {
            IdText::Position(Position {
                epoch: *epoch,
                seq,
                n,
            })
        } else {
            IdText::Own(incoming.id)
        };
        let most = incoming.event.len()
            + incoming.id.len()
            + incoming.body.len()
            + Position::MAX_BYTES
            + 24;
        let block = self.block_with_room(most);
        let before = block.bytes.len();
        write_event_line(&mut block.bytes, None, incoming.event);
        let id_len = write_id_line(&mut block.bytes, &id_line);
        block.bytes.extend_from_slice(incoming.body);
        let len = block.bytes.len() - before;
        let entry = Entry {
            seq,
            at,
            offset: self.next_offset,
            len: len as u32,
            type_len: incoming.event.len() as u32,
            id_len: id_len as u8,
            own_id: !incoming.id.is_empty(),
        };
        self.next_offset += len as u64;
        self.held_bytes += entry.cost();
        self.history_bytes += entry.cost();
        self.entries.push_back(entry);
        if entry.own_id {
            self.own_ids.insert(incoming.id.into(), n);
        }
        self.bound_history();
        n
    }

    /// From here on everything before is no history: a new run begins.
    pub fn start_run(&mut self) {
        self.run_first = self.next();
        self.history_first = self.next();
        self.history_bytes = 0;
    }

    /// Other bounds for the history, from now on.
    pub fn set_bounds(&mut self, bounds: HistoryBounds) {
        self.bounds = bounds;
        self.bound_history();
    }

    /// The bounds in force.
    pub fn bounds(&self) -> HistoryBounds {
        self.bounds
    }

    /// Takes out of the history what has passed its greatest age.
    pub fn expire(&mut self, now: u64) {
        let Some(age) = self.bounds.age else { return };
        let oldest = now.saturating_sub(millis(age));
        while self
            .entry(self.history_first)
            .is_some_and(|entry| entry.at < oldest)
        {
            self.leave_history();
        }
    }

    /// Frees what lies before the history, but for the newest `live_window` bytes of it.
    pub fn trim(&mut self, live_window: usize) {
        while self.first < self.history_first && self.held_bytes - self.history_bytes > live_window
        {
            self.evict_first();
        }
    }

    /// Frees at least `bytes`, the oldest first, history or not.
    pub fn shed(&mut self, bytes: usize) {
        let goal = self.held_bytes.saturating_sub(bytes);
        while self.held_bytes > goal && !self.entries.is_empty() {
            if self.first == self.history_first {
                self.leave_history();
            }
            self.evict_first();
        }
    }

    /// Copies events from `n` on exactly as they stand, at least one and else at most `max_bytes`. A few block copies, whatever the number
    /// of events.
    pub fn copy_wire(&self, n: u64, max_bytes: usize, batch: &mut Batch) {
        batch.from = n;
        batch.bytes.clear();
        batch.ends.clear();
        let Some(start) = self.entry(n).map(|entry| entry.offset) else {
            return;
        };
        let skip = (n - self.first) as usize;
        for entry in self.entries.range(skip..) {
            let end = (entry.offset + u64::from(entry.len) - start) as usize;
            if end > max_bytes && !batch.ends.is_empty() {
                break;
            }
            batch.ends.push(end);
        }
        let end = start + batch.ends.last().copied().unwrap_or(0) as u64;
        self.copy_span(start, end, &mut batch.bytes);
    }

    /// Copies one event, its type qualified by a stream's name (`name:type`) and its id as asked.
    pub fn copy_event(
        &self,
        epoch: &Epoch,
        n: u64,
        qualifier: Option<&str>,
        id: IdLine,
        out: &mut Vec<u8>,
    ) {
        let Some(entry) = self.entry(n) else { return };
        let wire = self.wire(entry);
        let (event, rest) = split_event_line(wire, entry.type_len as usize);
        let id_line = 5 + usize::from(entry.id_len);
        let body = rest.get(id_line..).unwrap_or_default();
        write_event_line(out, qualifier, event);
        match id {
            IdLine::Absent => {}
            IdLine::Position if entry.own_id => {
                write_id_line(
                    out,
                    &IdText::Position(Position {
                        epoch: *epoch,
                        seq: entry.seq,
                        n,
                    }),
                );
            }
            IdLine::Own | IdLine::Position => {
                out.extend_from_slice(rest.get(..id_line).unwrap_or_default());
            }
        }
        out.extend_from_slice(body);
    }

    fn wire(&self, entry: &Entry) -> &[u8] {
        let at = self
            .blocks
            .partition_point(|block| block.offset <= entry.offset)
            - 1;
        let block = &self.blocks[at];
        let start = (entry.offset - block.offset) as usize;
        &block.bytes[start..start + entry.len as usize]
    }

    fn copy_span(&self, start: u64, end: u64, out: &mut Vec<u8>) {
        out.reserve((end - start) as usize);
        let from = self
            .blocks
            .partition_point(|block| block.offset <= start)
            .saturating_sub(1);
        for block in self.blocks.range(from..) {
            if block.offset >= end {
                break;
            }
            let low = start.saturating_sub(block.offset) as usize;
            let high = block.bytes.len().min((end - block.offset) as usize);
            out.extend_from_slice(&block.bytes[low..high]);
        }
    }

    /// The newest block, or a new one where it has no room for `most` bytes. A small stream's block grows from nothing.
    fn block_with_room(&mut self, most: usize) -> &mut Block {
        let fits = self
            .blocks
            .back()
            .is_some_and(|block| block.bytes.len() + most <= BLOCK_BYTES);
        if !fits {
            let bytes = if self.blocks.is_empty() {
                Vec::new()
            } else {
                Vec::with_capacity(most.max(BLOCK_BYTES))
            };
            self.blocks.push_back(Block {
                offset: self.next_offset,
                bytes,
            });
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    fn bound_history(&mut self) {
        while self.next() - self.history_first > self.bounds.events
            || self.history_bytes > self.bounds.bytes
        {
            self.leave_history();
        }
    }

    fn leave_history(&mut self) {
        if let Some(entry) = self.entry(self.history_first) {
            self.history_bytes -= entry.cost();
        }
        self.history_first += 1;
    }

    fn evict_first(&mut self) {
        let Some(entry) = self.entries.front().copied() else {
            return;
        };
        if entry.own_id {
            let n = self.first;
            let id = own_id_of(self.wire(&entry), &entry).to_vec();
            if self.own_ids.get(id.as_slice()) == Some(&n) {
                self.own_ids.remove(id.as_slice());
            }
        }
        self.entries.pop_front();
        self.first += 1;
        self.evicted_seq = entry.seq;
        self.held_bytes -= entry.cost();
        let kept_from = entry.offset + u64::from(entry.len);
        while self
            .blocks
            .front()
            .is_some_and(|block| block.offset + block.bytes.len() as u64 <= kept_from)
        {
            self.blocks.pop_front();
        }
        if self.entries.is_empty() {
            self.entries.shrink_to(64);
        }
    }
}

enum IdText<'a> {
    Own(&'a [u8]),
    Position(Position),
}

/// Writes `event: [qualifier:]type`; without qualifier the default type needs no line.
fn write_event_line(out: &mut Vec<u8>, qualifier: Option<&str>, event: &[u8]) {
    if qualifier.is_none() && event.is_empty() {
        return;
    }
    out.extend_from_slice(b"event: ");
    if let Some(name) = qualifier {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(if event.is_empty() { b"message" } else { event });
    } else {
        out.extend_from_slice(event);
    }
    out.push(b'\n');
}

/// Writes `id: …` and returns the id's length.
fn write_id_line(out: &mut Vec<u8>, id: &IdText<'_>) -> usize {
    out.extend_from_slice(b"id: ");
    let before = out.len();
    match id {
        IdText::Own(id) => out.extend_from_slice(id),
        IdText::Position(position) => position.write(out),
    }
    let len = out.len() - before;
    out.push(b'\n');
    len
}

fn split_event_line(wire: &[u8], type_len: usize) -> (&[u8], &[u8]) {
    if type_len == 0 {
        return (b"", wire);
    }
    let (line, rest) = wire.split_at(8 + type_len);
    (&line[7..7 + type_len], rest)
}

fn own_id_of<'a>(wire: &'a [u8], entry: &Entry) -> &'a [u8] {
    let (_, rest) = split_event_line(wire, entry.type_len as usize);
    &rest[4..4 + usize::from(entry.id_len)]
}
