//! The bytes of a log: a sequence that grows at its end and is given up from its start, in blocks. Places are counted from the first
//! byte that ever was.

use std::collections::VecDeque;

/// The bytes of one block: an eighth of what is held, within these bounds. So a copy takes few spans, memory is freed soon, and what
/// blocks hold beyond their events stays small beside them, for large logs and for ten thousand small ones.
const LEAST_BLOCK_BYTES: usize = 4 << 10;
const MOST_BLOCK_BYTES: usize = 64 << 10;

#[derive(Debug)]
struct Block {
    /// The place of its first byte.
    offset: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    all: VecDeque<Block>,
    /// The newest block that was given up, to be filled again: a log that is full would else return memory to the system, page by page,
    /// and ask for it again.
    spare: Vec<u8>,
    /// The place of the byte that comes next.
    end: u64,
    /// The place of the first byte that is held.
    start: u64,
}

impl Blocks {
    /// The place of the byte that comes next.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Appends what `write` does, all of it in one block. `most` bytes are room enough for it.
    pub(crate) fn append(&mut self, most: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let block = self.with_room(most);
        write(&mut block.bytes);
        self.end = block.end();
    }

    /// The newest block, or a new one where it has no room. A small log's only block grows from nothing.
    fn with_room(&mut self, most: usize) -> &mut Block {
        let fits = self.all.back().is_some_and(|block| {
            block.bytes.len() + most <= block.bytes.capacity().max(LEAST_BLOCK_BYTES)
        });
        if !fits {
            let room = self.room();
            let bytes = if self.spare.capacity() >= most.max(room) {
                std::mem::take(&mut self.spare)
            } else if self.all.is_empty() {
                Vec::new()
            } else {
                Vec::with_capacity(most.max(room))
            };
            let offset = self.end;
            self.all.push_back(Block { offset, bytes });
        }
        let last = self.all.len() - 1;
        &mut self.all[last]
    }

    /// Gives up everything before `place`; blocks are freed as a whole.
    pub(crate) fn free_before(&mut self, place: u64) {
        self.start = place;
        while self.all.front().is_some_and(|it| it.end() <= place) {
            let block = self.all.pop_front();
            self.spare = block.map(|block| block.bytes).unwrap_or_default();
            self.spare.clear();
        }
        // No more than the next block would take.
        if self.spare.capacity() > self.room() {
            self.spare = Vec::new();
        }
    }

    /// How large the next block is to be.
    fn room(&self) -> usize {
        let held = usize::try_from(self.end - self.start).unwrap_or(usize::MAX);
        (held / 8).clamp(LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES)
    }

    /// `len` bytes from `place` on that were appended together.
    pub(crate) fn get(&self, place: u64, len: usize) -> &[u8] {
        let block = self.all.get(self.block_at(place));
        let bytes = block.and_then(|block| {
            let start = usize::try_from(place.checked_sub(block.offset)?).ok()?;
            block.bytes.get(start..start + len)
        });
        bytes.unwrap_or_default()
    }

    /// Appends the bytes from `start` to `end` to `out`.
    pub(crate) fn copy(&self, start: u64, end: u64, out: &mut Vec<u8>) {
        out.reserve((end - start) as usize);
        for block in self.all.range(self.block_at(start)..) {
            if block.offset >= end {
                break;
            }
            let low = start.saturating_sub(block.offset) as usize;
            let high = block.bytes.len().min((end - block.offset) as usize);
            out.extend_from_slice(&block.bytes[low..high]);
        }
    }

    /// Where the block stands that holds `place`.
    fn block_at(&self, place: u64) -> usize {
        let after = self.all.partition_point(|it| it.offset <= place);
        after.saturating_sub(1)
    }

    /// What all blocks take of memory.
    #[cfg(test)]
    pub(crate) fn room_bytes(&self) -> usize {
        let held: usize = self.all.iter().map(|it| it.bytes.capacity()).sum();
        held + self.spare.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::{Blocks, LEAST_BLOCK_BYTES, MOST_BLOCK_BYTES};

    fn fill(count: usize, bytes: usize) -> Blocks {
        let mut blocks = Blocks::default();
        for number in 0..count {
            blocks.append(bytes, |out| out.extend(vec![number as u8; bytes]));
        }
        blocks
    }

    #[test]
    fn what_was_appended_is_there() {
        let blocks = fill(2000, 300);
        assert_eq!(blocks.get(300 * 1999, 300), [1999_u32 as u8; 300]);
        let mut out = Vec::new();
        blocks.copy(300 * 5 - 1, 300 * 1000 + 1, &mut out);
        assert_eq!((out.len(), out[0], out[1]), (995 * 300 + 2, 4, 5));
        assert_eq!(out[out.len() - 1], 1000_u32 as u8);
    }

    #[test]
    fn blocks_take_little_more_than_their_bytes() {
        for (count, bytes) in [(1, 10), (100, 100), (10_000, 100), (100, 70_000)] {
            let mut blocks = fill(count, bytes);
            let all = count * bytes;
            assert!(blocks.room_bytes() <= all + all / 8 + 2 * LEAST_BLOCK_BYTES);
            blocks.free_before((all - bytes) as u64);
            assert!(blocks.room_bytes() <= MOST_BLOCK_BYTES.max(bytes));
            blocks.free_before(all as u64);
            assert!(blocks.room_bytes() <= LEAST_BLOCK_BYTES);
        }
    }
}
