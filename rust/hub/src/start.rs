//! Where a reader wants to begin, and what that means in a stream as it stands.

use jupyter_sse_codec::{Epoch, Position, end_id, is_end_id};

use crate::control::{Gap, GapReason};
use crate::departed::Last;
use crate::links::cut;
use crate::stream::Stream;

/// The longest cursor that is looked at, in bytes: longer than every id that there can be, and told back to its sender.
const MAX_CURSOR_BYTES: usize = 256;

/// Where a reader wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the whole history.
    Earliest,
    /// With the next event.
    Latest,
    /// With the last few events.
    Last(u64),
    /// After what it has seen of this stream: a position, a producer's own id or the id of an end.
    After(String),
    /// After what it has seen of several streams, of which this is one: the `n` of a position may be another's.
    AfterAll(String),
}

impl Start {
    /// Reads what stands behind the `@` of `stream=NAME@START`.
    pub fn parse(text: &str) -> Self {
        match text {
            "" | "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            _ => match text.strip_prefix('-').and_then(|count| count.parse().ok()) {
                Some(count) => Self::Last(count),
                None => Self::after(text),
            },
        }
    }

    /// What its reader says of where it was.
    pub(crate) fn cursor(&self) -> Option<&str> {
        match self {
            Self::After(cursor) | Self::AfterAll(cursor) => Some(cursor),
            Self::Earliest | Self::Latest | Self::Last(_) => None,
        }
    }

    /// After what this cursor of one stream names.
    pub fn after(cursor: &str) -> Self {
        Self::After(cut(cursor, MAX_CURSOR_BYTES))
    }

    /// After what this cursor names, which stands for several streams.
    pub fn after_all(cursor: &str) -> Self {
        Self::AfterAll(cut(cursor, MAX_CURSOR_BYTES))
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

/// Says where a reader begins. `hub_seq` is the newest position of the server.
pub fn resolve(stream: &Stream, start: &Start, epoch: &Epoch, hub_seq: u64) -> Resolved {
    let log = &stream.log;
    let text = match start {
        Start::Earliest => return earliest(stream, None),
        Start::Latest => return from(stream, log.next(), Some(stream.holes.total()), None),
        Start::Last(count) => {
            let next = log.next().saturating_sub(*count).max(log.history_first());
            return from(stream, next, stream.holes.up_to(next), None);
        }
        Start::After(text) | Start::AfterAll(text) => text,
    };
    if is_end_id(text) {
        if stream.is_ended() && *text == end_id(*epoch, u64::from(stream.run.number)) {
            return Resolved::SeenEnd;
        }
        return earliest(stream, None);
    }
    if let Some(n) = log.find_own_id(text.as_bytes()) {
        let seq = log.entry(n).map_or(0, |entry| entry.seq);
        return after(stream, n + 1, seq, true, text);
    }
    match Position::parse(text) {
        Some(position) if position.epoch != *epoch => {
            earliest(stream, Some(unknown(GapReason::Epoch, text)))
        }
        Some(position) if position.seq > hub_seq => {
            earliest(stream, Some(unknown(GapReason::Ahead, text)))
        }
        Some(position) => {
            let is_own = matches!(start, Start::After(_));
            after_position(stream, &position, is_own, text)
        }
        None => earliest(stream, Some(unknown(GapReason::UnknownId, text))),
    }
}

/// The whole history. Losses before the current run, or before a history that was cut, are not its matter.
fn earliest(stream: &Stream, gap: Option<Gap>) -> Resolved {
    let next = stream.log.history_first();
    let lost = if next == stream.log.run_first() {
        Some(stream.lost_before_run)
    } else {
        stream.holes.up_to(next)
    };
    from(stream, next, lost, gap)
}

/// Goes on with event `next`. Where it is not known how many losses lie before it, a gap without count stands for them.
fn from(stream: &Stream, next: u64, lost: Option<u64>, gap: Option<Gap>) -> Resolved {
    let gap = match (lost, gap) {
        (None, None) => Some(Gap {
            reason: GapReason::Overflow,
            requested: None,
            lost: None,
            count: None,
            is_mixed: false,
        }),
        (None, Some(gap)) => Some(Gap { count: None, ..gap }),
        (Some(_), gap) => gap,
    };
    let lost = lost.unwrap_or(stream.holes.cut_total());
    Resolved::From { next, lost, gap }
}

/// A position's `seq` counts in all streams, its `n` only in its own.
fn after_position(stream: &Stream, position: &Position, is_own: bool, text: &str) -> Resolved {
    let log = &stream.log;
    if position.seq >= log.evicted_seq() {
        let next = log.first_after_seq(position.seq);
        return after(stream, next, position.seq, true, text);
    }
    // Its neighbours are gone. Its own `n` counts exactly, provided that it is a position of this stream.
    let is_ours = is_own && position.n < log.first() && log.is_own_number(position.seq, position.n);
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
        return from(stream, next, known, None);
    }
    let before = holes.up_to(oldest.saturating_sub(1));
    let missing = oldest.saturating_sub(next);
    let count = match (known, before) {
        (Some(known), Some(before)) if is_exact => {
            Some(missing.saturating_add(before.saturating_sub(known)))
        }
        _ => None,
    };
    let gap = Gap {
        lost: (is_exact && missing > 0).then(|| (next, oldest - 1)),
        count,
        ..unknown(GapReason::Evicted, text)
    };
    from(stream, oldest.max(next), before, Some(gap))
}

/// What a start means where there is no stream: what is missing for ever, if anything. From here on the reader waits, and whatever
/// comes is news.
pub(crate) fn resolve_missing(
    last: &Last,
    start: &Start,
    epoch: &Epoch,
    hub_seq: u64,
) -> Option<Gap> {
    let (Start::After(text) | Start::AfterAll(text)) = start else {
        return None;
    };
    if is_end_id(text) {
        return None;
    }
    let Some(position) = Position::parse(text) else {
        return Some(unknown(GapReason::UnknownId, text));
    };
    if position.epoch != *epoch {
        return Some(unknown(GapReason::Epoch, text));
    }
    if position.seq > hub_seq {
        return Some(unknown(GapReason::Ahead, text));
    }
    if position.seq >= last.seq.max(last.lost_seq) {
        return None;
    }
    let is_own = matches!(start, Start::After(_));
    let is_number = (1..=last.n).contains(&position.n)
        && last
            .birth_seq
            .is_some_and(|birth_seq| position.seq > birth_seq);
    let is_ours = is_own && is_number;
    let missing = last.n.saturating_sub(position.n);
    // Of what its producers lost only the sum is known: nothing, or all of it, has to be news.
    let knows_losses = position.seq >= last.lost_seq;
    Some(Gap {
        lost: (is_ours && missing > 0).then(|| (position.n + 1, last.n)),
        count: (is_ours && knows_losses).then_some(missing),
        ..unknown(GapReason::Evicted, text)
    })
}

fn unknown(reason: GapReason, text: &str) -> Gap {
    Gap {
        reason,
        requested: Some(text.to_owned()),
        lost: None,
        count: None,
        is_mixed: false,
    }
}
