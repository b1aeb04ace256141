//! Where a reader wants to begin, and what that means in a stream as it stands.

use jupyter_sse_codec::{Epoch, Position, end_id, is_end_id};

use crate::control::{Gap, GapReason};
use crate::stream::Stream;

/// Where a reader wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the whole history.
    Earliest,
    /// With the next event.
    Latest,
    /// With the last few events.
    Last(u64),
    /// After what it has seen: a position, a producer's own id or the id of an end.
    After(String),
}

impl Start {
    /// Reads what stands behind the `@` of `stream=NAME@START`.
    pub fn parse(text: &str) -> Self {
        match text {
            "" | "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            _ => match text.strip_prefix('-').and_then(|count| count.parse().ok()) {
                Some(count) => Self::Last(count),
                None => Self::After(text.to_owned()),
            },
        }
    }
}

/// What a start means in a stream as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// Go on with event `next`; what is missing before it, if anything.
    From {
        /// `n` of the first event to be written.
        next: u64,
        /// How many of the events that its producers lost are no news to the reader.
        lost: u64,
        /// What cannot be had.
        gap: Option<Gap>,
    },
    /// The reader has seen the end of a stream that is still ended.
    SeenEnd,
}

impl Resolved {
    fn start(next: u64, lost: u64) -> Self {
        let gap = None;
        Self::From { next, lost, gap }
    }
}

/// Says where a reader begins. `hub_seq` is the newest position of the server. A position's `n` counts in this stream only where
/// `is_only` says that the cursor cannot have come from another one; its `seq` counts in all.
pub fn resolve(
    stream: &Stream,
    start: &Start,
    epoch: &Epoch,
    hub_seq: u64,
    is_only: bool,
) -> Resolved {
    let log = &stream.log;
    let text = match start {
        Start::Earliest => {
            let (next, lost) = earliest(stream);
            return Resolved::start(next, lost);
        }
        Start::Latest => return Resolved::start(log.next(), stream.holes.total()),
        Start::Last(count) => {
            let next = log.next().saturating_sub(*count).max(log.history_first());
            return Resolved::start(next, stream.holes.up_to(next).unwrap_or(0));
        }
        Start::After(text) => text,
    };
    if is_end_id(text) {
        if stream.is_ended() && *text == end_id(*epoch, u64::from(stream.run.number)) {
            return Resolved::SeenEnd;
        }
        let (next, lost) = earliest(stream);
        return Resolved::start(next, lost);
    }
    if let Some(n) = log.find_own_id(text.as_bytes()) {
        let seq = log.entry(n).map_or(0, |entry| entry.seq);
        return after(stream, n + 1, seq, true, text);
    }
    match Position::parse(text) {
        Some(position) if position.epoch != *epoch => from_oldest(stream, GapReason::Epoch, text),
        Some(position) if position.seq > hub_seq => from_oldest(stream, GapReason::Ahead, text),
        Some(position) => after_position(stream, &position, is_only, text),
        None => from_oldest(stream, GapReason::UnknownId, text),
    }
}

/// The whole history. Losses before the current run, or before a history that was cut, are not its matter.
fn earliest(stream: &Stream) -> (u64, u64) {
    let next = stream.log.history_first();
    let lost = if next == stream.log.run_first() {
        stream.lost_before_run
    } else {
        stream.holes.up_to(next).unwrap_or(0)
    };
    (next, lost)
}

fn after_position(stream: &Stream, position: &Position, is_only: bool, text: &str) -> Resolved {
    let log = &stream.log;
    if position.seq >= log.evicted_seq() {
        let next = log.first_after_seq(position.seq);
        return after(stream, next, position.seq, true, text);
    }
    // Its neighbours are gone. Its own `n` counts exactly, provided that it is a position of this stream.
    let is_ours = is_only && position.n >= 1 && position.n < log.first();
    let next = if is_ours { position.n + 1 } else { log.first() };
    after(stream, next, position.seq, is_ours, text)
}

/// Goes on with `next`, or with the oldest event that can still be had. The reader knows of everything up to `seq`.
fn after(stream: &Stream, next: u64, seq: u64, is_exact: bool, text: &str) -> Resolved {
    let (log, holes) = (&stream.log, &stream.holes);
    let known = holes.seen(next, seq);
    let oldest = if next < log.run_first() {
        log.history_first()
    } else {
        log.first().max(log.run_first())
    };
    if is_exact && next >= oldest {
        return Resolved::start(next, known.unwrap_or(0));
    }
    let before = holes.up_to(oldest.saturating_sub(1));
    let missing = oldest.saturating_sub(next);
    let count = match (known, before) {
        (Some(known), Some(before)) if is_exact => Some(missing + before.saturating_sub(known)),
        _ => None,
    };
    let gap = Gap {
        reason: GapReason::Evicted,
        requested: Some(text.to_owned()),
        lost: (is_exact && missing > 0).then(|| (next, oldest - 1)),
        count,
    };
    Resolved::From {
        next: oldest.max(next),
        lost: before.unwrap_or(0),
        gap: Some(gap),
    }
}

fn from_oldest(stream: &Stream, reason: GapReason, text: &str) -> Resolved {
    let gap = Gap {
        reason,
        requested: Some(text.to_owned()),
        lost: None,
        count: None,
    };
    let (next, lost) = earliest(stream);
    Resolved::From {
        next,
        lost,
        gap: Some(gap),
    }
}
