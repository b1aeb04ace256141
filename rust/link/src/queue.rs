//! What the kernel has said and the hub has not confirmed yet: pure, without clock, socket or thread.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::ToHub;

use crate::chunk::{Chunk, condense, frames};

/// The length that chunks aim at, in bytes: a few hundred events go to the socket in one write.
const CHUNK_BYTES: usize = 128 * 1024;

/// Room that a chunk must have left for it to be tried; a longer frame makes its buffer grow, once.
const CHUNK_RESERVE_BYTES: usize = 1024;

/// Buffers kept for reuse while frames flow: fresh memory costs a page fault for every 4 KiB.
const MAX_SPARE_BUFFERS: usize = 32;

/// Buffers kept while nothing flows.
const IDLE_SPARE_BUFFERS: usize = 2;

/// How many events of each key were dropped, and what their frames took, in bytes.
pub(crate) type Losses = BTreeMap<u32, Loss>;

/// See [`Losses`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// The frame, of so many bytes, would pass the bound. The queue is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) usize);

/// Frames that wait for the link thread, and the account of everything that is not confirmed.
///
/// A chunk that the thread takes counts as unconfirmed until [`Queue::release`]: the bound covers both.
/// At most `window_bytes` are in the thread's hands, so that in a queue that is full there is always something
/// that no hub can have seen. Only that is ever dropped, which keeps the announced counts exact.
pub(crate) struct Queue {
    /// Oldest first; only the last one grows.
    unsent: VecDeque<Chunk>,
    spare: Vec<Vec<u8>>,
    max_bytes: usize,
    chunk_bytes: usize,
    window_bytes: usize,
    used_bytes: usize,
    in_flight_bytes: usize,
    last_seq: u64,
    newest_frame_bytes: usize,
    acked_seq: u64,
    /// Since when a frame has been refused without any progress after it.
    stuck_since: Option<Instant>,
}

impl Queue {
    /// An empty queue that holds at most `max_bytes` of frames, sent or not.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            unsent: VecDeque::new(),
            spare: Vec::new(),
            max_bytes,
            chunk_bytes: (max_bytes / 16).clamp(CHUNK_RESERVE_BYTES, CHUNK_BYTES),
            window_bytes: max_bytes / 4,
            used_bytes: 0,
            in_flight_bytes: 0,
            last_seq: 0,
            newest_frame_bytes: 0,
            acked_seq: 0,
            stuck_since: None,
        }
    }

    /// The length that chunks aim at, in bytes.
    pub(crate) fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// Bytes of frames that are not confirmed.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// The sequence number of the newest frame; 0 before the first.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// What the newest frame takes, in bytes.
    pub(crate) fn newest_frame_bytes(&self) -> usize {
        self.newest_frame_bytes
    }

    /// Everything up to this sequence number is confirmed.
    pub(crate) fn acked_seq(&self) -> u64 {
        self.acked_seq
    }

    /// Appends the frame that `write` writes, within the bound, and returns its sequence number. A frame
    /// longer than the whole bound is taken when nothing else is there.
    pub(crate) fn push(&mut self, write: impl FnOnce(u64, &mut Vec<u8>)) -> Result<u64, Full> {
        let frame_bytes = self.append(write);
        if self.has_room(frame_bytes) {
            Ok(self.keep(frame_bytes))
        } else {
            let tail = self.tail();
            tail.bytes.truncate(tail.bytes.len() - frame_bytes);
            Err(Full(frame_bytes))
        }
    }

    /// Appends the frame that `write` writes, whatever the bound says. For the few frames that must not be
    /// lost (opens and ends), and for an event after everything that may be dropped was dropped.
    pub(crate) fn push_beyond(&mut self, write: impl FnOnce(u64, &mut Vec<u8>)) -> u64 {
        let frame_bytes = self.append(write);
        self.keep(frame_bytes)
    }

    /// Writes a frame behind the last one, where it does not count yet; its length.
    fn append(&mut self, write: impl FnOnce(u64, &mut Vec<u8>)) -> usize {
        let seq = self.last_seq + 1;
        self.begin_chunk_if_due();
        let tail = self.tail();
        let start = tail.bytes.len();
        write(seq, &mut tail.bytes);
        tail.bytes.len() - start
    }

    /// The frame of `frame_bytes` that was appended counts.
    fn keep(&mut self, frame_bytes: usize) -> u64 {
        let seq = self.last_seq + 1;
        self.tail().last_seq = seq;
        self.last_seq = seq;
        self.newest_frame_bytes = frame_bytes;
        self.used_bytes += frame_bytes;
        seq
    }

    fn begin_chunk_if_due(&mut self) {
        let is_due = self.unsent.back().is_none_or(|tail| {
            let has_room = tail.bytes.len() + CHUNK_RESERVE_BYTES <= self.chunk_bytes;
            tail.is_residue || !(has_room || tail.bytes.is_empty())
        });
        if is_due {
            let bytes = self
                .spare
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(self.chunk_bytes));
            self.unsent.push_back(Chunk {
                bytes,
                last_seq: self.last_seq,
                is_residue: false,
            });
        }
    }

    /// The chunk that grows: the last one, which [`Queue::begin_chunk_if_due`] has made sure of.
    fn tail(&mut self) -> &mut Chunk {
        let last = self.unsent.len() - 1;
        &mut self.unsent[last]
    }

    /// Whether [`Queue::take`] would give something.
    pub(crate) fn has_takeable(&self) -> bool {
        self.in_flight_bytes < self.window_bytes && !self.is_taken()
    }

    /// Whether nothing is unsent.
    pub(crate) fn is_taken(&self) -> bool {
        self.unsent
            .front()
            .is_none_or(|chunk| chunk.bytes.is_empty())
    }

    /// Moves the oldest chunks, about `max_bytes` of them and not more than the window, into the hands of `flight`.
    pub(crate) fn take(
        &mut self,
        max_bytes: usize,
        mut flight: impl FnMut(Chunk) -> Option<Vec<u8>>,
    ) {
        let mut taken = 0;
        while taken < max_bytes && self.has_takeable() {
            let Some(chunk) = self.unsent.pop_front() else {
                return;
            };
            taken += chunk.bytes.len();
            self.in_flight_bytes += chunk.bytes.len();
            if let Some(buffer) = flight(chunk) {
                self.reuse(buffer);
            }
        }
    }

    /// Everything up to `acked_seq` is confirmed, which frees `buffers`, `freed_bytes` in all.
    ///
    /// Tells whether anything was confirmed that was not before.
    pub(crate) fn release(
        &mut self,
        acked_seq: u64,
        freed_bytes: usize,
        buffers: impl IntoIterator<Item = Vec<u8>>,
    ) -> bool {
        self.used_bytes -= freed_bytes;
        self.in_flight_bytes -= freed_bytes;
        for buffer in buffers {
            self.reuse(buffer);
        }
        let has_progress = acked_seq > self.acked_seq;
        if has_progress {
            self.acked_seq = acked_seq.min(self.last_seq);
            self.stuck_since = None;
        }
        if self.used_bytes == 0 {
            self.spare.truncate(IDLE_SPARE_BUFFERS);
        }
        has_progress
    }

    fn reuse(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE_BUFFERS && buffer.capacity() <= 2 * self.chunk_bytes {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Whether a frame of `bytes` would be taken now.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used_bytes == 0 || self.used_bytes.saturating_add(bytes) <= self.max_bytes
    }

    /// Whether so many frames that must not be lost are there that the bound is passed by a quarter.
    pub(crate) fn is_far_beyond(&self) -> bool {
        self.used_bytes > self.max_bytes.saturating_add(self.max_bytes / 4)
    }

    /// A new connection begins: what was stuck gets a new chance.
    pub(crate) fn begin_connection(&mut self) {
        self.stuck_since = None;
    }

    /// How long a full queue has still to wait at `now` before it may drop, from the first refusal after
    /// which nothing was confirmed. Zero: it may.
    pub(crate) fn patience(&mut self, now: Instant, overflow_after: Duration) -> Duration {
        let since = *self.stuck_since.get_or_insert(now);
        overflow_after.saturating_sub(now.saturating_duration_since(since))
    }

    /// Drops the oldest chunk that no connection has had, and puts a `Lost` frame for each of its keys in its
    /// place. `None`: there is nothing to drop.
    pub(crate) fn drop_oldest(&mut self) -> Option<Losses> {
        let victim_index = self
            .unsent
            .iter()
            .position(|chunk| !chunk.is_residue && !chunk.bytes.is_empty())?;
        // Residues stand together at the front: the new one takes the old ones in, so that there is only one.
        let victims: Vec<Chunk> = self.unsent.drain(..=victim_index).collect();
        let before: usize = victims.iter().map(|chunk| chunk.bytes.len()).sum();
        let mut losses = Losses::new();
        for event in victims
            .iter()
            .filter(|chunk| !chunk.is_residue)
            .flat_map(|chunk| frames(&chunk.bytes))
        {
            if let ToHub::Event { key, .. } = event.frame {
                let loss = losses.entry(key).or_default();
                loss.events += 1;
                loss.bytes += event.bytes.len() as u64;
            }
        }
        let residue = condense(&victims);
        self.used_bytes = self.used_bytes - before + residue.bytes.len();
        self.unsent.push_front(residue);
        for victim in victims {
            self.reuse(victim.bytes);
        }
        Some(losses)
    }
}

#[cfg(test)]
mod tests {
    use jupyter_sse_codec::frame;

    use super::*;

    fn push(queue: &mut Queue, key: u32, bytes: usize) -> Result<u64, Full> {
        let body = vec![b'x'; bytes];
        queue.push(|seq, out| {
            frame::encode_event(out, seq, key, b"", b"", |out| out.extend_from_slice(&body));
        })
    }

    #[test]
    fn a_full_queue_refuses_and_stays_as_it_was() {
        let mut queue = Queue::new(16 * 1024);
        while push(&mut queue, 1, 100).is_ok() {}
        let (used_bytes, last_seq) = (queue.used_bytes(), queue.last_seq());
        assert!(used_bytes <= 16 * 1024 && used_bytes > 15 * 1024);
        assert_eq!(
            push(&mut queue, 1, 100),
            Err(Full(4 + frame::EVENT_OVERHEAD_BYTES + 100))
        );
        assert_eq!(
            (queue.used_bytes(), queue.last_seq()),
            (used_bytes, last_seq)
        );
    }

    #[test]
    fn a_frame_longer_than_the_bound_is_taken_when_nothing_else_is_there() {
        let mut queue = Queue::new(1024);
        assert_eq!(push(&mut queue, 1, 5000), Ok(1));
        assert!(push(&mut queue, 1, 1).is_err());
    }

    #[test]
    fn drops_are_counted_per_key_and_opens_and_ends_survive_them() {
        let mut queue = Queue::new(1024 * 1024);
        queue.push_beyond(|seq, out| {
            ToHub::Open {
                seq,
                key: 1,
                request: 1,
                kind: 0,
                stream: "a",
                options: "",
            }
            .encode(out);
        });
        for key in [1, 2, 1] {
            assert!(push(&mut queue, key, 10).is_ok());
        }
        queue.push_beyond(|seq, out| {
            ToHub::End {
                seq,
                key: 1,
                reason: 0,
                error: "",
            }
            .encode(out);
        });
        let lost = |events| Loss {
            events,
            bytes: events * (4 + frame::EVENT_OVERHEAD_BYTES as u64 + 10),
        };
        assert_eq!(
            queue.drop_oldest(),
            Some(Losses::from([(1, lost(2)), (2, lost(1))]))
        );
        assert!(push(&mut queue, 2, 10).is_ok());
        assert_eq!(queue.drop_oldest(), Some(Losses::from([(2, lost(1))])));
        assert_eq!(queue.drop_oldest(), None);
        let mut left = Vec::new();
        queue.take(usize::MAX, |chunk| {
            left.extend(
                frames(&chunk.bytes).map(|placed| (placed.seq(), format!("{:?}", placed.frame))),
            );
            None
        });
        let expected = [
            "Open {",
            "Lost { seq: 4, key: 1, count: 2 }",
            "End {",
            "Lost { seq: 6, key: 2, count: 2 }",
        ];
        assert!(
            left.iter()
                .zip(expected)
                .all(|((_, frame), start)| frame.starts_with(start)),
            "{left:?}"
        );
        assert_eq!(
            left.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(),
            [1, 4, 5, 6]
        );
    }

    #[test]
    fn patience_ends_after_the_time_and_starts_anew_with_progress() {
        let mut queue = Queue::new(1024);
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(queue.patience(start, 3 * second), 3 * second);
        assert_eq!(queue.patience(start + second, 3 * second), 2 * second);
        assert_eq!(
            queue.patience(start + 4 * second, 3 * second),
            Duration::ZERO
        );
        assert!(push(&mut queue, 1, 10).is_ok());
        queue.release(1, 0, []);
        assert_eq!(queue.patience(start + 4 * second, 3 * second), 3 * second);
    }
}
