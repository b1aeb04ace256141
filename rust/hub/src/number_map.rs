//! Maps whose keys are numbers that this side draws, or few: looked up several times for each event, where the standard library's
//! hash, which withstands chosen keys, took a seventh of the thread's time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers, or by short random bytes.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Multiplies by an odd number and folds the halves: neighbours come to stand apart.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product ^ (product >> 64)) as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::NumberHasher;

    #[test]
    fn neighbours_and_links_come_to_stand_apart() {
        let hasher = BuildHasherDefault::<NumberHasher>::default();
        let low = |hash: u64| hash & 0xffff;
        let numbers: HashSet<u64> = (0..1000_u64).map(|it| low(hasher.hash_one(it))).collect();
        let links: HashSet<u64> = (0..250_u8)
            .map(|it| low(hasher.hash_one([it; 16])))
            .collect();
        assert!(numbers.len() > 950 && links.len() > 240);
    }
}
