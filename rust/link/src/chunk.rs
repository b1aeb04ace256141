//! Frames back to back, and what is left of them when their events have to go. Pure.

use std::collections::BTreeMap;

use jupyter_sse_codec::frame::{self, ToHub};

/// Whole frames, back to back, in the order of their sequence.
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) last_seq: u64,
    /// It stands for dropped events and holds none itself, so dropping it would free nothing.
    pub(crate) is_residue: bool,
}

/// One frame of a chunk.
pub(crate) struct Placed<'a> {
    pub(crate) frame: ToHub<'a>,
    /// The frame with its header.
    pub(crate) bytes: &'a [u8],
    /// Where it begins in the chunk.
    pub(crate) offset: usize,
}

impl Placed<'_> {
    /// The frame's sequence number.
    pub(crate) fn seq(&self) -> u64 {
        match self.frame {
            ToHub::Open { seq, .. }
            | ToHub::Event { seq, .. }
            | ToHub::Lost { seq, .. }
            | ToHub::End { seq, .. }
            | ToHub::Head { seq, .. } => seq,
            ToHub::Hello { .. } | ToHub::Subscribe { .. } | ToHub::Request { .. } => 0,
        }
    }
}

/// The frames of a chunk, in order.
pub(crate) fn frames(bytes: &[u8]) -> impl Iterator<Item = Placed<'_>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        let rest = &bytes[offset..];
        // We wrote these bytes ourselves: neither error can come.
        let (payload, consumed) = frame::split(rest, usize::MAX).ok().flatten()?;
        let placed = Placed {
            frame: ToHub::decode(payload).ok()?,
            bytes: &rest[..consumed],
            offset,
        };
        offset += consumed;
        Some(placed)
    })
}

/// What is left of `victims` without their events: opens and ends, and for each key one `Lost` that counts its
/// events and its earlier losses, in the place of the last of them.
///
/// So a stream's `Lost` stands before its `End` and before every event that is newer, and the sequence keeps rising.
pub(crate) fn condense(victims: &[Chunk]) -> Chunk {
    let mut lost: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for placed in victims.iter().flat_map(|chunk| frames(&chunk.bytes)) {
        let (key, dropped) = match placed.frame {
            ToHub::Event { key, .. } => (key, 1),
            ToHub::Lost { key, count, .. } => (key, count),
            _ => continue,
        };
        let (count, last_seq) = lost.entry(key).or_default();
        *count += dropped;
        *last_seq = placed.seq();
    }
    let mut bytes = Vec::new();
    for placed in victims.iter().flat_map(|chunk| frames(&chunk.bytes)) {
        match placed.frame {
            ToHub::Event { seq, key, .. } | ToHub::Lost { seq, key, .. } => {
                if let Some(&(count, last_seq)) = lost.get(&key)
                    && last_seq == seq
                {
                    ToHub::Lost { seq, key, count }.encode(&mut bytes);
                }
            }
            _ => bytes.extend_from_slice(placed.bytes),
        }
    }
    Chunk {
        bytes,
        last_seq: victims.last().map_or(0, |chunk| chunk.last_seq),
        is_residue: true,
    }
}
