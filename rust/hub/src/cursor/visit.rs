//! Cursors of readers whose stream is theirs alone.

use std::sync::Arc;

use super::Cursor;
use crate::state::StreamKey;

impl Cursor {
    /// Its reader has got everything before this event, as far as it wants it.
    pub(crate) fn read_up_to(&self) -> u64 {
        self.place()
    }

    /// It reads this stream, which begins with its reader: nothing of it is missing.
    pub(crate) fn visit(&mut self, stream: StreamKey) {
        *self = Self {
            name: Arc::clone(&self.name),
            key: Some(stream),
            birth_seq: 0,
            seen_seq: 0,
            next: 1,
            settled: 1,
            lost: 0,
            gap: None,
            held: self.held.is_some().then(Box::default),
            is_replaying: true,
            ended_run: 0,
            told: None,
            missed: self.missed,
        };
    }

    /// Its reader has seen the first run to its end.
    pub(crate) fn has_seen_first_run(&mut self) {
        self.ended_run = 1;
        self.told.get_or_insert_default().run = 1;
    }
}
