//! The log of one stream: its newest events, as they go over the wire, in order.
//!
//! Pure: no clock, no socket, no lock. Time comes in as unix milliseconds. Events are numbered from 1 by `n`, over all runs of the
//! stream. What is *held* is a suffix of all events; the *history* is a suffix of what is held and lies within the current run. Between
//! the two lies the live window, which only readers that are connected can still get.

use std::collections::VecDeque;

use jupyter_sse_codec::{Epoch, Position};

use crate::blocks::Blocks;
use crate::clock::millis;
use crate::line::{
    IdText, LABEL_BYTES, id_in, split_event_line, split_id_line, write_event_line, write_id_line,
};
use crate::options::HistoryBounds;
use crate::own_ids::{OWN_ID_BYTES, OwnIds};

/// What one held event costs beyond its bytes on the wire.
pub const ENTRY_BYTES: usize = std::mem::size_of::<Entry>();
/// What the lists of a log keep room for, however few events are held.
const LEAST_ROOM: usize = 64;

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
        let id = if self.own_id { OWN_ID_BYTES } else { 0 };
        self.len as usize + ENTRY_BYTES + id
    }
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
    blocks: Blocks,
    entries: VecDeque<Entry>,
    own_ids: OwnIds,
    /// `n` of the first event it ever took.
    birth: u64,
    /// The hub's place when its numbers began, in this log or in one that it goes on from: no older position has a number of these.
    birth_seq: u64,
    /// `n` of the oldest held event; of the next one when none is held.
    first: u64,
    /// `n` of the oldest event of the history.
    history_first: u64,
    /// `n` of the current run's first event.
    run_first: u64,
    /// `seq` of the newest event that is no longer held; 0: none.
    evicted_seq: u64,
    held_bytes: usize,
    history_bytes: usize,
}

impl Log {
    /// An empty log.
    pub fn new(bounds: HistoryBounds) -> Self {
        Self::resume(bounds, 0, 0, 0)
    }

    /// An empty log that goes on where another one stopped: after its event `n`, which stood at `seq`. No position up to `birth_seq` has
    /// a number of these.
    pub fn resume(bounds: HistoryBounds, n: u64, seq: u64, birth_seq: u64) -> Self {
        Self {
            bounds,
            blocks: Blocks::default(),
            entries: VecDeque::new(),
            own_ids: OwnIds::default(),
            birth: n + 1,
            birth_seq,
            first: n + 1,
            history_first: n + 1,
            run_first: n + 1,
            evicted_seq: seq,
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

    /// The hub's place when its numbers began.
    pub(crate) fn birth_seq(&self) -> u64 {
        self.birth_seq
    }

    /// Whether the number in a position at `seq` counts in this log. It does not where a stream of the same name is forgotten.
    pub fn is_own_number(&self, seq: u64, n: u64) -> bool {
        n >= 1 && n < self.next() && seq > self.birth_seq
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

    /// What the held events take, in bytes, the fixed cost per event included.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// What all of it takes, in bytes: also what is still known of events that are gone.
    pub fn bytes(&self) -> usize {
        self.held_bytes + self.own_ids.gone_bytes()
    }

    /// What of it is history.
    pub fn history_bytes(&self) -> usize {
        self.history_bytes
    }

    /// The bytes of all events from the held event `n` on.
    pub fn bytes_from(&self, n: u64) -> u64 {
        let entry = self.entry(n);
        entry.map_or(0, |entry| self.blocks.end() - entry.offset)
    }

    /// The type of the held event `n`; empty for the default.
    pub fn event_type(&self, n: u64) -> Option<&[u8]> {
        let entry = self.entry(n)?;
        Some(split_event_line(self.wire(entry), entry.type_len as usize).0)
    }

    /// The id of the held event `n`, as its reader has it: the producer's own, else its position.
    pub(crate) fn id_of(&self, epoch: &Epoch, n: u64) -> Option<String> {
        let entry = self.entry(n)?;
        if entry.own_id {
            return String::from_utf8(self.own_id(entry).to_vec()).ok();
        }
        let (epoch, seq) = (*epoch, entry.seq);
        Some(Position { epoch, seq, n }.to_string())
    }

    /// The held event `n`.
    pub fn entry(&self, n: u64) -> Option<&Entry> {
        self.entries
            .get(usize::try_from(n.checked_sub(self.first)?).ok()?)
    }

    /// The newest event with this own id. It may be gone: the ids of the newest that are gone are known for a while.
    pub fn find_own_id(&self, id: &[u8]) -> Option<u64> {
        let n = self.own_ids.find(id)?;
        let is_other = |entry: &Entry| !entry.own_id || self.own_id(entry) != id;
        (!self.entry(n).is_some_and(is_other)).then_some(n)
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
            + LABEL_BYTES;
        let offset = self.blocks.end();
        let mut id_len = 0;
        self.blocks.append(most, |out| {
            write_event_line(out, None, incoming.event);
            id_len = write_id_line(out, &id_line);
            out.extend_from_slice(incoming.body);
        });
        let entry = Entry {
            seq,
            at,
            offset,
            len: (self.blocks.end() - offset) as u32,
            type_len: incoming.event.len() as u32,
            id_len: id_len as u8,
            own_id: !incoming.id.is_empty(),
        };
        self.held_bytes += entry.cost();
        self.history_bytes += entry.cost();
        self.entries.push_back(entry);
        if entry.own_id {
            self.own_ids.add(incoming.id, n);
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

    /// Frees what comes before event `n`, as far as it is no history. Nobody asks for it again, not by its own id either.
    pub(crate) fn release(&mut self, n: u64) {
        while self.first < n.min(self.history_first) {
            self.evict_first();
        }
        while self.own_ids.forget_oldest() {}
    }

    /// Frees at least `bytes`: first what is known of events that are gone, then the oldest events, history or not.
    pub fn shed(&mut self, bytes: usize) {
        let goal = self.bytes().saturating_sub(bytes);
        while self.bytes() > goal && !(self.own_ids.gone_bytes() == 0 && self.entries.is_empty()) {
            if self.own_ids.forget_oldest() {
                continue;
            }
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
        self.blocks.copy(start, end, &mut batch.bytes);
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
        let (id_line, body) = split_id_line(rest, usize::from(entry.id_len));
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
                out.extend_from_slice(id_line);
            }
        }
        out.extend_from_slice(body);
    }

    fn wire(&self, entry: &Entry) -> &[u8] {
        self.blocks.get(entry.offset, entry.len as usize)
    }

    fn own_id(&self, entry: &Entry) -> &[u8] {
        let (_, rest) = split_event_line(self.wire(entry), entry.type_len as usize);
        let (line, _) = split_id_line(rest, usize::from(entry.id_len));
        id_in(line)
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
            let id = self.own_id(&entry).to_vec();
            self.own_ids.leave(&id, self.first);
        }
        self.entries.pop_front();
        self.first += 1;
        self.evicted_seq = entry.seq;
        self.held_bytes -= entry.cost();
        self.blocks.free_before(entry.offset + u64::from(entry.len));
        self.give_room_back();
    }

    /// A log that was long once does not stay large.
    fn give_room_back(&mut self) {
        let entries = self.entries.len().max(LEAST_ROOM);
        if self.entries.capacity() / 4 > entries {
            self.entries.shrink_to(2 * entries);
        }
    }
}

#[cfg(test)]
#[path = "log_test.rs"]
pub(crate) mod tests;
