//! Where one subscriber stands in one stream, and how a cursor that comes from outside is understood.

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
        /// What cannot be had.
        gap: Option<Gap>,
    },
    /// The reader has seen the end of a stream that is still ended.
    SeenEnd,
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
            return Resolved::From {
                next: log.history_first(),
                gap: None,
            };
        }
        Start::Latest => {
            return Resolved::From {
                next: log.next(),
                gap: None,
            };
        }
        Start::Last(count) => {
            let next = log.next().saturating_sub(*count).max(log.history_first());
            return Resolved::From { next, gap: None };
        }
        Start::After(text) => text,
    };
    if is_end_id(text) {
        if stream.is_ended() && *text == end_id(*epoch, u64::from(stream.run.number)) {
            return Resolved::SeenEnd;
        }
        return Resolved::From {
            next: log.history_first(),
            gap: None,
        };
    }
    if let Some(n) = log.find_own_id(text.as_bytes()) {
        return after(stream, n + 1, true, text);
    }
    match Position::parse(text) {
        Some(position) if position.epoch != *epoch => from_oldest(stream, GapReason::Epoch, text),
        Some(position) if position.seq > hub_seq => from_oldest(stream, GapReason::Ahead, text),
        Some(position) => after_position(stream, &position, is_only, text),
        None => from_oldest(stream, GapReason::UnknownId, text),
    }
}

fn after_position(stream: &Stream, position: &Position, is_only: bool, text: &str) -> Resolved {
    let log = &stream.log;
    if position.seq >= log.evicted_seq() {
        return after(stream, log.first_after_seq(position.seq), true, text);
    }
    // Its neighbours are gone. Its own `n` counts exactly, provided that it is a position of this stream.
    let is_ours = is_only && position.n >= 1 && position.n < log.first();
    after(
        stream,
        if is_ours { position.n + 1 } else { log.first() },
        is_ours,
        text,
    )
}

/// Goes on with `next`, or with the oldest event that can still be had.
fn after(stream: &Stream, next: u64, is_exact: bool, text: &str) -> Resolved {
    let log = &stream.log;
    let oldest = if next < log.run_first() {
        log.history_first()
    } else {
        log.first().max(log.run_first())
    };
    if is_exact && next >= oldest {
        return Resolved::From { next, gap: None };
    }
    let count = oldest.saturating_sub(next);
    let gap = Gap {
        reason: GapReason::Evicted,
        requested: Some(text.to_owned()),
        lost: (is_exact && count > 0).then(|| (next, oldest - 1)),
        count: is_exact.then_some(count),
    };
    Resolved::From {
        next: oldest.max(next),
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
    Resolved::From {
        next: stream.log.history_first(),
        gap: Some(gap),
    }
}
