//! Readers that want fewer events than there are: what of it is written, and when.

use super::Subscription;
use crate::clock::Now;
use crate::cursor::Cursor;
use crate::state::State;

/// How many events are looked at while the state is held, by a reader that wants only the newest of each type.
const LOOKS: u64 = 4096;

impl Subscription {
    /// Wants fewer events than there are.
    pub(crate) fn is_conflating(&self) -> bool {
        self.pace.is_some()
    }

    /// What is held back need not wait for its time.
    pub(crate) fn hurry(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.hurry();
        }
    }

    /// Whether anything is there that was not written.
    pub(super) fn owes(&self, state: &State) -> bool {
        let is_owed = |cursor: &Cursor| {
            let stream = cursor.stream(state);
            stream.is_some_and(|stream| !cursor.is_caught_up(stream))
        };
        self.cursors.iter().any(is_owed)
    }

    /// Chooses what is to be written, for a reader that wants only the newest of each type, and releases it when its time has come.
    /// Returns `false` where there is more to look at.
    pub(super) fn choose(&mut self, state: &State, now: Now) -> bool {
        if self.pace.is_none() || self.cursors.iter().any(Cursor::is_releasing) {
            return true;
        }
        let (mut room, mut is_full) = (LOOKS, false);
        for cursor in &mut self.cursors {
            let Some(stream) = cursor.stream(state) else {
                continue;
            };
            match cursor.look_ahead(stream, room) {
                Some(looks) => room -= looks,
                None => is_full = true,
            }
        }
        if room == 0 && !is_full {
            return false;
        }
        let is_owing = self.owes(state);
        let Some(pace) = &mut self.pace else {
            return true;
        };
        if is_owing && (is_full || now.mono >= pace.next_at()) {
            pace.begin(now.mono);
            self.cursors.iter_mut().for_each(Cursor::release);
        }
        true
    }
}
