//! Control events: what the hub itself says in a stream (types that begin with `sse.`).

use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::millis;
use crate::random;
use crate::stream::{End, Run, Stream};

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// No longer held.
    Evicted,
    /// The cursor comes from another life of the log.
    Epoch,
    /// The cursor lies after the newest event.
    Ahead,
    /// Nothing is known of the id.
    UnknownId,
    /// The reader, or the producer's link, fell behind.
    Overflow,
}

impl GapReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::UnknownId => "unknown-id",
            Self::Overflow => "overflow",
        }
    }
}

/// What a reader asked for and cannot get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The cursor it came with; `None`: it was connected all the time.
    pub requested: Option<String>,
    /// `n` of the first and the last event missing, where they had one.
    pub lost: Option<(u64, u64)>,
    /// How many are missing; `None`: not known.
    pub count: Option<u64>,
    /// The numbers of some were given anew to others, for the stream was forgotten between them: no range is that of all.
    pub is_mixed: bool,
}

impl Gap {
    /// Something may be missing of a stream that is gone; nothing more is known.
    pub(crate) fn unknown() -> Self {
        Self {
            reason: GapReason::Evicted,
            requested: None,
            lost: None,
            count: None,
            is_mixed: true,
        }
    }

    /// The events with these numbers are missing as well, which come after the others.
    pub(crate) fn add_range(&mut self, range: Option<(u64, u64)>) {
        self.lost = match (self.lost, range) {
            _ if self.is_mixed => None,
            (Some((from, end)), Some((next, to))) if end + 1 == next => Some((from, to)),
            (Some(_), Some(_)) => {
                self.is_mixed = true;
                None
            }
            (one, other) => one.or(other),
        };
    }
}

/// Appends one control event.
pub fn write(out: &mut Vec<u8>, event: &str, id: Option<&str>, data: &Value) {
    for part in ["event: ", event, "\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(id) = id {
        for part in ["id: ", id, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    for part in ["data: ", &data.to_string(), "\n\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// `sse.gap`: stands in the stream where the missing events would.
pub fn write_gap(out: &mut Vec<u8>, stream: &str, gap: &Gap, resumed: Option<&str>) {
    let (from, to) = gap.lost.map_or((Value::Null, Value::Null), |(from, to)| {
        (json!(from), json!(to))
    });
    let data = json!({
        "stream": stream,
        "reason": gap.reason.as_str(),
        "requested": gap.requested,
        "resumed": resumed,
        "lost": {"from": from, "to": to, "count": gap.count},
    });
    write(out, "sse.gap", None, &data);
}

/// `sse.end` of a run. `id`: of a connection of this stream alone; of one of several, with which a reader of a run of its own returns to
/// no other, it is told as the cursor.
pub fn write_end(out: &mut Vec<u8>, stream: &Stream, end: &End, is_single: bool, id: &str) {
    let mut data = json!({
        "stream": &*stream.name,
        "reason": end.reason.as_str(),
        "status": end.error.as_ref().and_then(|error| error.get("status")),
        "error": end.error,
        "run": stream.run.number,
        "at": end.at,
    });
    if stream.is_private() && !is_single {
        data["cursor"] = json!(id);
    }
    write(out, "sse.end", is_single.then_some(id), &data);
}

/// `sse.end` of a stream that cannot be read, or of several that are not named: the connection stays open for the others, and for this
/// one's first run.
pub fn write_refused(out: &mut Vec<u8>, stream: Option<&str>, status: u16, message: &str) {
    let data = json!({
        "stream": stream,
        "reason": "refused",
        "status": status,
        "error": {"type": "Refused", "message": message},
    });
    write(out, "sse.end", None, &data);
}

/// `sse.run`: from here on the events are of this run.
pub fn write_run(out: &mut Vec<u8>, stream: &Stream, run: &Run) {
    let data = json!({
        "stream": &*stream.name,
        "run": run.number,
        "kind": run.kind.as_str(),
        "producer": run.producer.as_ref().map(crate::stream::ProducerInfo::to_json),
        "started_at": run.started_at,
        "options": stream.options,
    });
    write(out, "sse.run", None, &data);
}

/// `sse.state`: whether the producer is there, how many read, and how many events this reader was spared, where it wanted fewer.
pub fn write_state(out: &mut Vec<u8>, stream: &Stream, conflated: Option<u64>) {
    let mut data = json!({
        "stream": &*stream.name,
        "producer": stream.state_name(),
        "subscribers": stream.subscribers,
    });
    if let Some(conflated) = conflated {
        data["conflated"] = json!(conflated);
    }
    write(out, "sse.state", None, &data);
}

/// `retry:` with jitter, half to one and a half times `middle`: readers that lost a server do not come back all at once.
pub(crate) fn retry_line(middle: Duration) -> Vec<u8> {
    let middle = millis(middle).clamp(1, u64::from(u32::MAX));
    format!("retry: {}\n\n", middle / 2 + random::below(middle + 1)).into_bytes()
}
