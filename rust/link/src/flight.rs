//! Chunks in the link thread's hands: written to a socket or about to be, and not confirmed yet. Pure.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::chunk::{Chunk, frames};

/// Slices for one vectored write.
pub(crate) const MAX_SLICES: usize = 16;

/// Unconfirmed chunks, and how far the present connection has got in them.
pub(crate) struct Flight {
    /// Oldest first.
    chunks: VecDeque<Chunk>,
    chunk_bytes: usize,
    /// The chunk that is being written; the last one, wholly written, where nothing waits.
    at: usize,
    /// What of that chunk is written, in bytes.
    offset: usize,
}

impl Flight {
    pub(crate) fn new(chunk_bytes: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            chunk_bytes,
            at: 0,
            offset: 0,
        }
    }

    /// Adds a chunk at the end. Gives its buffer back where the bytes found room in the chunk before: a quiet
    /// stream takes a chunk for each event, and must not hold a whole buffer for each of them.
    pub(crate) fn add(&mut self, chunk: Chunk) -> Option<Vec<u8>> {
        if let Some(last) = self.chunks.back_mut()
            && last.bytes.len() + chunk.bytes.len() <= self.chunk_bytes
        {
            last.bytes.extend_from_slice(&chunk.bytes);
            last.last_seq = chunk.last_seq;
            return Some(chunk.bytes);
        }
        self.chunks.push_back(chunk);
        self.step();
        None
    }

    /// Whether there is something to write.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.chunks
            .get(self.at)
            .is_some_and(|chunk| self.offset < chunk.bytes.len())
    }

    /// Fills `slices` with what is to be written next; the number of slices filled.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut offset = self.offset;
        for (slice, chunk) in slices
            .iter_mut()
            .zip(self.chunks.range(self.at.min(self.chunks.len())..))
        {
            *slice = IoSlice::new(&chunk.bytes[offset..]);
            offset = 0;
            count += 1;
        }
        count
    }

    /// `bytes` more are written.
    pub(crate) fn advance(&mut self, mut bytes: usize) {
        while let Some(chunk) = self.chunks.get(self.at) {
            let written = bytes.min(chunk.bytes.len() - self.offset);
            self.offset += written;
            bytes -= written;
            self.step();
            if bytes == 0 {
                return;
            }
        }
    }

    /// Moves on from a chunk that is wholly written, if there is a next one.
    fn step(&mut self) {
        if self.at + 1 < self.chunks.len() && self.offset == self.chunks[self.at].bytes.len() {
            self.at += 1;
            self.offset = 0;
        }
    }

    /// Everything up to `seq` is confirmed: lets go of the chunks that hold nothing newer, and returns how many
    /// bytes that were. What this connection has not written stays, whatever the peer claims.
    pub(crate) fn ack(&mut self, seq: u64, buffers: &mut Vec<Vec<u8>>) -> usize {
        let mut freed = 0;
        while let Some(front) = self.chunks.front()
            && front.last_seq <= seq
            && (self.at > 0 || self.offset == front.bytes.len())
        {
            freed += front.bytes.len();
            if self.at > 0 {
                self.at -= 1;
            } else {
                self.offset = 0;
            }
            buffers.extend(self.chunks.pop_front().map(|chunk| chunk.bytes));
        }
        freed
    }

    /// A new connection has everything up to `seq`: starts to write at the frame after it. Lets go of chunks
    /// like [`Flight::ack`].
    pub(crate) fn rewind(&mut self, seq: u64, buffers: &mut Vec<Vec<u8>>) -> usize {
        // To be let go of, a chunk counts as written; what is newer than `seq` is then written again.
        self.at = self.chunks.len();
        let freed = self.ack(seq, buffers);
        self.at = 0;
        self.offset = self.chunks.front().map_or(0, |front| {
            frames(&front.bytes)
                .find(|placed| placed.seq() > seq)
                .map_or(front.bytes.len(), |placed| placed.offset)
        });
        freed
    }
}
