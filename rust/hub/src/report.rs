//! What can be seen of a reader from outside: where it is, how far behind, what it missed.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Now;
use crate::counters::Tally;
use crate::roster::{ConnectionName, Guest};

/// How far a reader is behind in one stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Events that are not written to it, as far as its socket is known.
    pub(crate) events: u64,
    /// Their bytes, those that are no longer held not counted.
    pub(crate) bytes: u64,
    /// When the oldest of them was appended (unix milliseconds); `None`: there is none.
    pub(crate) oldest_at: Option<u64>,
}

impl Backlog {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.bytes += other.bytes;
        self.oldest_at = match (self.oldest_at, other.oldest_at) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
    }

    pub(crate) fn to_json(self, now: Now) -> Value {
        let age = self.oldest_at.map_or(0, |at| now.unix.saturating_sub(at));
        json!({"events": self.events, "bytes": self.bytes, "seconds": seconds(age)})
    }
}

/// Which readers are to be told of, and what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// Only those of one stream, and only that stream of them.
    pub(crate) stream: Option<String>,
    /// Only those of one user.
    pub(crate) user: Option<String>,
    /// Until when somebody waits for the answer (of `Now::mono`).
    pub(crate) until: u64,
}

/// One stream of one reader.
#[derive(Debug, Clone)]
pub(crate) struct StreamReport {
    pub(crate) name: Arc<str>,
    /// The position of the last event that was written; `None`: none was, or it is not held any more.
    pub(crate) position: Option<String>,
    pub(crate) backlog: Backlog,
    pub(crate) missed: Tally,
}

/// Whether a reader takes what there is for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Motion {
    /// Nothing waits for it to take it.
    Moving,
    /// Something waits, and it takes some now and then.
    Slow,
    /// Something waits, and it has taken nothing for a while.
    Stalled,
}

impl Motion {
    /// Of a reader that something waits for since `waiting`, and that took something at `taken` (milliseconds ago each).
    pub(crate) fn of(waiting: u64, taken: u64) -> Self {
        /// After so long nobody is only busy, in milliseconds.
        const A_WHILE: u64 = 5000;
        /// A loop that has others to serve takes so long, in milliseconds.
        const A_MOMENT: u64 = 500;
        if taken >= A_WHILE {
            Self::Stalled
        } else if waiting >= A_MOMENT {
            Self::Slow
        } else {
            Self::Moving
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
        }
    }
}

/// One reader.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// The connection's public name.
    pub(crate) id: ConnectionName,
    pub(crate) guest: Arc<Guest>,
    /// When it came (unix milliseconds).
    pub(crate) since: u64,
    /// `socket` or `portable`.
    pub(crate) path: &'static str,
    pub(crate) motion: Motion,
    pub(crate) streams: Vec<StreamReport>,
    /// Of all its streams, those included that it does not read any more.
    pub(crate) missed: Tally,
}

impl Report {
    /// As `GET /api/sse/connections` shows it.
    pub(crate) fn to_json(&self, now: Now) -> Value {
        let mut backlog = Backlog::default();
        for stream in &self.streams {
            backlog.add(&stream.backlog);
        }
        let streams = self.streams.iter().map(|stream| {
            json!({
                "name": &*stream.name,
                "position": stream.position,
                "backlog": stream.backlog.to_json(now),
                "lost": stream.missed.lost,
                "conflated": stream.missed.conflated,
            })
        });
        json!({
            "id": self.id.as_str(),
            "user": self.guest.user,
            "address": self.guest.address,
            "since": self.since,
            "path": self.path,
            "state": self.motion.as_str(),
            "streams": streams.collect::<Value>(),
            "backlog": backlog.to_json(now),
            "lost": self.missed.lost,
            "conflated": self.missed.conflated,
        })
    }

    /// How far it is behind in one stream.
    pub(crate) fn backlog_in(&self, name: &str) -> Option<Backlog> {
        let stream = self.streams.iter().find(|stream| *stream.name == *name)?;
        Some(stream.backlog)
    }
}

#[expect(clippy::cast_precision_loss, reason = "of an age, for people")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::Motion;

    #[test]
    fn a_reader_is_slow_while_it_takes_some_and_stalled_when_it_takes_none() {
        assert_eq!(Motion::of(0, 0), Motion::Moving);
        assert_eq!(Motion::of(100, 100), Motion::Moving);
        assert_eq!(Motion::of(60_000, 900), Motion::Slow);
        assert_eq!(Motion::of(60_000, 6000), Motion::Stalled);
    }
}
