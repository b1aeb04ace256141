//! Where producers lost events before they came to the hub, and how many.
//!
//! What a reader has been told is one number, the sum of all losses up to its cursor, so that one that skips ahead misses none.

use std::collections::VecDeque;

/// The most places that are kept. Beyond it the oldest are told together, later than they should.
const MAX_HOLES: usize = 1024;

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// `n` of the event after it.
    pub before: u64,
    /// How many events were lost here and at all places before.
    pub total: u64,
    /// Its own place in the order of all events of the server.
    pub seq: u64,
}

/// All places of one stream, in order.
#[derive(Debug, Default)]
pub struct Holes {
    kept: VecDeque<Hole>,
    /// The newest that is not kept any more.
    cut: Option<Hole>,
}

impl Holes {
    /// Those of a stream that goes on where one of its name was removed: `total` were lost before event `before`.
    pub(crate) fn resume(before: u64, total: u64, seq: u64) -> Self {
        let cut = Hole { before, total, seq };
        Self {
            kept: VecDeque::new(),
            cut: (total > 0).then_some(cut),
        }
    }

    /// How many were lost in all.
    pub fn total(&self) -> u64 {
        self.kept
            .back()
            .or(self.cut.as_ref())
            .map_or(0, |hole| hole.total)
    }

    /// `count` events are missing before event `before`, the next one. Losses at one place are one hole.
    pub(crate) fn add(&mut self, before: u64, count: u64, seq: u64) {
        let total = self.total().saturating_add(count);
        match self.kept.back_mut() {
            Some(last) if last.before == before => (last.total, last.seq) = (total, seq),
            _ => self.kept.push_back(Hole { before, total, seq }),
        }
        if self.kept.len() > MAX_HOLES {
            self.cut = self.kept.pop_front();
        }
    }

    /// How many were lost before event `n`, at its very place included; `None` where that is not known any more.
    pub fn up_to(&self, n: u64) -> Option<u64> {
        let after = self.kept.partition_point(|hole| hole.before <= n);
        let last = after.checked_sub(1).and_then(|at| self.kept.get(at));
        match (last, self.cut) {
            (Some(hole), _) => Some(hole.total),
            (None, Some(cut)) => (cut.before <= n).then_some(cut.total),
            (None, None) => Some(0),
        }
    }

    /// How many of them a reader knows who has seen everything before event `n` and all up to `seq`.
    pub(crate) fn seen(&self, n: u64, seq: u64) -> Option<u64> {
        match self.at(n) {
            Some(hole) if hole.seq > seq => self.up_to(n.saturating_sub(1)),
            _ => self.up_to(n),
        }
    }

    /// The hole right before event `n`.
    pub(crate) fn at(&self, n: u64) -> Option<Hole> {
        self.first_from(n).filter(|hole| hole.before == n)
    }

    /// The first hole before event `n` or a later one.
    pub(crate) fn first_from(&self, n: u64) -> Option<Hole> {
        let at = self.kept.partition_point(|hole| hole.before < n);
        self.kept.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::{Holes, MAX_HOLES};

    #[test]
    fn losses_at_one_place_are_one_hole() {
        let mut holes = Holes::default();
        holes.add(3, 2, 10);
        holes.add(3, 5, 11);
        holes.add(4, 1, 13);
        assert_eq!(
            [2, 3, 4, 9].map(|n| holes.up_to(n)),
            [Some(0), Some(7), Some(8), Some(8)]
        );
        assert_eq!(holes.seen(3, 10), Some(0));
        assert_eq!(holes.seen(3, 11), Some(7));
        assert_eq!(holes.first_from(0).map(|hole| hole.before), Some(3));
    }

    #[test]
    fn what_is_cut_still_counts() {
        let mut holes = Holes::default();
        for n in 1..=MAX_HOLES as u64 + 1 {
            holes.add(n, 1, n);
        }
        assert_eq!(holes.up_to(0), None);
        assert_eq!(holes.up_to(1), Some(1));
        assert_eq!(holes.total(), MAX_HOLES as u64 + 1);
    }

    #[test]
    fn a_number_beyond_all_numbers_is_the_largest() {
        let mut holes = Holes::default();
        holes.add(1, u64::MAX, 1);
        holes.add(2, u64::MAX, 2);
        assert_eq!(holes.total(), u64::MAX);
    }
}
