//! The producer's own ids of one stream, and which events they name: also for a while after those are gone, so that a reader who comes
//! back with one is told exactly what it missed.
//!
//! An id is kept as a hash of 64 bits with secret keys, so nobody can choose two that collide. That an id which is no longer known
//! meets another's hash by chance happens once in 10^15 times; ids of events that are held are compared in full by the log.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use crate::number_map::NumberMap;

/// What the id of a held event costs here, in bytes.
pub const OWN_ID_BYTES: usize = 40;
/// What an id costs whose event is gone.
const GONE_ID_BYTES: usize = 72;
/// The most ids of events that are gone. Few in tests, so that they get there.
pub(crate) const MAX_GONE: usize = if cfg!(test) { 8 } else { 16_384 };
/// What the lists keep room for, however few ids there are.
const LEAST_ROOM: usize = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct OwnIds {
    keys: RandomState,
    /// The newest `n` under each hash.
    newest: NumberMap<u64, u64>,
    /// Hash and `n` of those whose events are gone, oldest first.
    gone: VecDeque<(u64, u64)>,
}

impl OwnIds {
    /// Event `n` has this id.
    pub(crate) fn add(&mut self, id: &[u8], n: u64) {
        self.newest.insert(self.keys.hash_one(id), n);
    }

    /// The newest event with this id, held or not.
    pub(crate) fn find(&self, id: &[u8]) -> Option<u64> {
        self.newest.get(&self.keys.hash_one(id)).copied()
    }

    /// Event `n`, which has this id, is gone.
    pub(crate) fn leave(&mut self, id: &[u8], n: u64) {
        let hash = self.keys.hash_one(id);
        if self.newest.get(&hash) != Some(&n) {
            return;
        }
        self.gone.push_back((hash, n));
        if self.gone.len() > MAX_GONE {
            self.forget_oldest();
        }
    }

    /// Forgets the oldest id whose event is gone. Returns whether there was one.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        let Some((hash, n)) = self.gone.pop_front() else {
            return false;
        };
        if self.newest.get(&hash) == Some(&n) {
            self.newest.remove(&hash);
            self.give_room_back();
        }
        true
    }

    /// What the ids of events cost that are gone.
    pub(crate) fn gone_bytes(&self) -> usize {
        self.gone.len() * GONE_ID_BYTES
    }

    /// What was long once does not stay large.
    fn give_room_back(&mut self) {
        let ids = self.newest.len().max(LEAST_ROOM);
        if self.newest.capacity() / 4 > ids {
            self.newest.shrink_to(2 * ids);
        }
        let gone = self.gone.len().max(LEAST_ROOM);
        if self.gone.capacity() / 4 > gone {
            self.gone.shrink_to(2 * gone);
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.newest.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_GONE, OwnIds};

    #[test]
    fn an_id_outlives_its_event_for_a_while() {
        let mut ids = OwnIds::default();
        for n in 1..=MAX_GONE as u64 + 1 {
            ids.add(&n.to_le_bytes(), n);
            ids.leave(&n.to_le_bytes(), n);
        }
        assert_eq!(ids.find(&1_u64.to_le_bytes()), None);
        assert_eq!(ids.find(&2_u64.to_le_bytes()), Some(2));
    }

    #[test]
    fn an_id_that_is_used_again_names_the_newest_event() {
        let mut ids = OwnIds::default();
        ids.add(b"x", 1);
        ids.add(b"x", 5);
        ids.leave(b"x", 1);
        assert_eq!((ids.find(b"x"), ids.gone_bytes()), (Some(5), 0));
        ids.leave(b"x", 5);
        ids.add(b"x", 9);
        assert!(ids.forget_oldest());
        assert_eq!(ids.find(b"x"), Some(9));
    }

    #[test]
    fn ids_that_were_many_once_give_their_room_back() {
        let mut ids = OwnIds::default();
        for n in 0..20_000_u64 {
            ids.add(&n.to_le_bytes(), n);
        }
        for n in 0..20_000_u64 {
            ids.leave(&n.to_le_bytes(), n);
        }
        while ids.forget_oldest() {}
        assert!(ids.capacity() < 1000 && ids.gone.capacity() < 1000);
    }
}
