//! Where producers lost events before they came to the hub, and how many.
//!
//! What a reader has been told is one number, the sum of all losses up to its cursor, so that one that skips ahead misses none.

use std::collections::VecDeque;

/// The most places that are kept. Beyond it the oldest are told together, later than they should. Few in tests, so that they get there.
pub(crate) const MAX_HOLES: usize = if cfg!(test) { 8 } else { 1024 };

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
    /// Those of a stream that goes on where one of its name was removed: `total` were lost before event `before`, the last at `seq`.
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

    /// `count` events are missing before event `before`, the next one.
    pub(crate) fn add(&mut self, before: u64, count: u64, seq: u64) {
        let total = self.total().saturating_add(count);
        self.kept.push_back(Hole { before, total, seq });
        if self.kept.len() > MAX_HOLES {
            self.cut = self.kept.pop_front();
        }
    }

    /// The place of the newest among all events of the server; 0 where there is none.
    pub(crate) fn newest_seq(&self) -> u64 {
        let newest = self.kept.back().or(self.cut.as_ref());
        newest.map_or(0, |hole| hole.seq)
    }

    /// How many were lost before event `n`, at its very place included; `None` where that is not known any more.
    pub fn up_to(&self, n: u64) -> Option<u64> {
        self.seen(n, u64::MAX)
    }

    /// How many of them a reader knows who has seen everything before event `n` and all up to `seq`; `None` as for [`Holes::up_to`].
    pub(crate) fn seen(&self, n: u64, seq: u64) -> Option<u64> {
        let is_seen = |hole: &Hole| hole.before < n || (hole.before == n && hole.seq <= seq);
        let after = self.kept.partition_point(is_seen);
        let last = after.checked_sub(1).and_then(|at| self.kept.get(at));
        match (last, self.cut) {
            (Some(hole), _) => Some(hole.total),
            (None, Some(cut)) => is_seen(&cut).then_some(cut.total),
            (None, None) => Some(0),
        }
    }

    /// How many of them are told where nobody knows how many a reader has seen: all that are not kept.
    pub(crate) fn cut_total(&self) -> u64 {
        self.cut.map_or(0, |hole| hole.total)
    }

    /// The first hole of which a reader does not know who knows of `lost` losses.
    pub(crate) fn first_after(&self, lost: u64) -> Option<Hole> {
        if let Some(cut) = self.cut.filter(|cut| cut.total > lost) {
            return Some(cut);
        }
        let at = self.kept.partition_point(|hole| hole.total <= lost);
        self.kept.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::{Holes, MAX_HOLES};

    #[test]
    fn losses_at_one_place_are_known_one_by_one() {
        let mut holes = Holes::default();
        holes.add(3, 2, 10);
        holes.add(3, 5, 11);
        holes.add(4, 1, 13);
        assert_eq!(
            [2, 3, 4, 9].map(|n| holes.up_to(n)),
            [Some(0), Some(7), Some(8), Some(8)]
        );
        assert_eq!(
            [9, 10, 11, 99].map(|seq| holes.seen(3, seq)),
            [Some(0), Some(2), Some(7), Some(7)]
        );
        assert_eq!(
            [0, 2, 7, 8].map(|lost| holes.first_after(lost).map(|hole| hole.seq)),
            [Some(10), Some(11), Some(13), None]
        );
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
