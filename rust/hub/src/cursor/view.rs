//! What can be seen of a cursor from outside.

use std::sync::Arc;

use super::Cursor;
use crate::conflate::Held;
use crate::counters::Tally;
use crate::report::{Backlog, StreamReport};
use crate::state::State;
use crate::stream::Stream;

impl Cursor {
    /// What was chosen so far is written.
    pub(crate) fn settle(&mut self) {
        self.settled = self.place();
    }

    /// `count` events were written as they stand, the last of them not to its end, maybe.
    pub(crate) fn advance(&mut self, count: u64, is_torn: bool) {
        self.next += count;
        self.settled = self.next - u64::from(is_torn);
    }

    /// The last `count` events are on their way to the reader: somebody else writes them.
    pub(crate) fn give_away(&mut self, count: u64) {
        self.settled = self.next.saturating_sub(count);
    }

    /// Where its reader is, and how far behind.
    pub(crate) fn report(&self, state: &State) -> StreamReport {
        let stream = self.stream(state);
        StreamReport {
            name: Arc::clone(&self.name),
            position: stream.and_then(|stream| self.written_position(state, stream)),
            backlog: stream.map(|it| self.backlog(it)).unwrap_or_default(),
            missed: self.tally(),
        }
    }

    fn written_position(&self, state: &State, stream: &Stream) -> Option<String> {
        let n = self.settled.checked_sub(1)?;
        let entry = stream.log.entry(n)?;
        Some(format!("{}-{}-{n}", state.epoch(), entry.seq))
    }

    fn backlog(&self, stream: &Stream) -> Backlog {
        let log = &stream.log;
        let oldest = self.settled.max(log.first());
        let behind = log.next().saturating_sub(self.settled);
        let ahead = log.next().saturating_sub(self.next);
        Backlog {
            // What it will be spared does not wait for it.
            events: match &self.held {
                Some(held) => ahead + held.len() as u64,
                None => behind,
            },
            bytes: log.bytes_from(oldest),
            oldest_at: log.entry(oldest).map(|entry| entry.at),
        }
    }

    /// What its reader did not get of this stream.
    pub(crate) fn tally(&self) -> Tally {
        Tally {
            conflated: self.held.as_deref().map_or(0, Held::left_out),
            ..self.missed
        }
    }
}
