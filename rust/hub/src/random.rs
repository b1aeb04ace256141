//! Random names and jitter.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random base62 characters, each worth 5.95 bits.
pub(crate) fn base62<const LENGTH: usize>() -> [u8; LENGTH] {
    std::array::from_fn(|_| DIGITS[below(62) as usize])
}

/// A random number below `bound` (which is not 0 and far below 2^64, so that no number is likelier than another).
pub(crate) fn below(bound: u64) -> u64 {
    let mut bytes = [0u8; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes) % bound
}

/// The system's source does not fail once a machine is up; should it, the standard library's own random keys stand in for it.
fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_err() {
        for part in bytes.chunks_mut(8) {
            let word = RandomState::new().build_hasher().finish().to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
    }
}
