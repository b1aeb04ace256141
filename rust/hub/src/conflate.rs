//! `?conflate=<seconds>`: of what comes in that time a reader gets one event of each stream and type, the last.
//!
//! Nothing is written for an interval after the last time; then, for all streams of the connection at once, what is newest of each type,
//! in the order of the log. So an id that was written stands for all before it: they were written too, or something newer of their type
//! was, or will be after it. After a silence that was longer, an event need not wait. Nor does what is held cost more than its type and
//! number: the events stay in the log, and one that leaves it before its time is a loss like any other.

use std::collections::VecDeque;

/// The most types of one stream that are held. With one more, what is held does not wait for its time.
pub(crate) const MAX_TYPES: usize = 64;
/// The most bytes of their names, for the same reason: a name may be long, and each reader keeps its own.
pub(crate) const MAX_TYPES_BYTES: usize = 4 << 10;

/// When a reader is written to.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: u64,
    /// Not before (of `Now::mono`).
    next_at: u64,
}

impl Pace {
    /// At most once in `interval` milliseconds.
    pub(crate) fn new(interval: u64) -> Self {
        Self {
            interval,
            next_at: 0,
        }
    }

    /// When the time has come (of `Now::mono`).
    pub(crate) fn next_at(&self) -> u64 {
        self.next_at
    }

    /// It is written now.
    pub(crate) fn begin(&mut self, now: u64) {
        self.next_at = now.saturating_add(self.interval);
    }

    /// It need not wait any more.
    pub(crate) fn hurry(&mut self) {
        self.next_at = 0;
    }
}

/// Events that left the log before they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The first of them.
    pub(crate) from: u64,
    /// The last.
    pub(crate) to: u64,
    /// How many.
    pub(crate) count: u64,
}

/// What a reader is to get of one stream, by number, of all that was looked at.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The newest of each type.
    newest: Vec<(Box<[u8]>, u64)>,
    /// What is being written, in order.
    due: VecDeque<u64>,
    is_releasing: bool,
    left_out: u64,
    left_out_before: u64,
}

impl Held {
    /// Looks at the next event. Returns `false` where it cannot be held before others are released.
    pub(crate) fn look_at(&mut self, kind: &[u8], n: u64) -> bool {
        if let Some((_, newest)) = self.newest.iter_mut().find(|(held, _)| **held == *kind) {
            *newest = n;
            self.left_out += 1;
            return true;
        }
        let has_room = self.has_room_for(kind);
        if has_room {
            self.newest.push((kind.into(), n));
        }
        has_room
    }

    fn has_room_for(&self, kind: &[u8]) -> bool {
        let bytes: usize = self.newest.iter().map(|(held, _)| held.len()).sum();
        self.newest.is_empty()
            || self.newest.len() < MAX_TYPES && bytes + kind.len() <= MAX_TYPES_BYTES
    }

    /// What is held is to be written.
    pub(crate) fn release(&mut self) {
        let mut due: Vec<u64> = self.newest.drain(..).map(|(_, n)| n).collect();
        due.sort_unstable();
        self.due = due.into();
        self.is_releasing = true;
        self.left_out_before = self.left_out;
    }

    /// What was held has been written.
    pub(crate) fn finish(&mut self) {
        self.is_releasing = false;
    }

    /// Whether something is being written, or was and nobody has said that it is done.
    pub(crate) fn is_releasing(&self) -> bool {
        self.is_releasing
    }

    /// What is to be written next.
    pub(crate) fn first_due(&self) -> Option<u64> {
        self.due.front().copied()
    }

    /// It is written.
    pub(crate) fn take_due(&mut self) -> Option<u64> {
        self.due.pop_front()
    }

    /// The oldest event that is not written, whether its time has come or not.
    pub(crate) fn first(&self) -> Option<u64> {
        self.first_due()
            .or_else(|| self.newest.iter().map(|&(_, n)| n).min())
    }

    /// How many events are to be written, now or when their time has come.
    pub(crate) fn len(&self) -> usize {
        self.due.len() + self.newest.len()
    }

    /// How many events were left out.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many had been when something was last written: what the reader is told, so that it is told then only.
    pub(crate) fn left_out_before(&self) -> u64 {
        self.left_out_before
    }

    /// Gives up what lies before event `first`: it is no longer there.
    pub(crate) fn lose_before(&mut self, first: u64) -> Option<Lost> {
        let is_lost = |n: u64| n < first;
        let newest = self.newest.iter().map(|&(_, n)| n);
        let lost = self.due.iter().copied().chain(newest);
        let lost: Vec<u64> = lost.filter(|&n| is_lost(n)).collect();
        self.due.retain(|&n| !is_lost(n));
        self.newest.retain(|&(_, n)| !is_lost(n));
        Some(Lost {
            from: *lost.iter().min()?,
            to: *lost.iter().max()?,
            count: lost.len() as u64,
        })
    }
}

#[cfg(test)]
#[path = "conflate_test.rs"]
mod tests;
