//! The end of the reactor: readers get what waits for them, and a time to come back that is not everybody's.

use std::time::Duration;

use mio::event::Event;
use mio::{Events, Token};

use super::Reactor;
use crate::audience::ReaderId;
use crate::connection::{Connection, Served};

/// How long readers have to take what waits for them, in milliseconds.
const PATIENCE: u64 = 500;

impl Reactor {
    /// Gives every reader what is pending and lets it go. Those that take it slowly have [`PATIENCE`] for it; all come back with their
    /// cursors, so that nothing is lost for them that another server's log could have.
    pub(super) fn say_goodbye(&mut self) {
        let mut staying = self.readers();
        let deadline = self.shared.clock.now().mono + PATIENCE;
        let mut events = Events::with_capacity(1024);
        loop {
            self.batch.forget();
            staying.retain(|&id| {
                let is_late = self.shared.clock.now().mono >= deadline;
                !is_late && !self.let_go(id) || is_late && !self.send_away(id)
            });
            let left = deadline.saturating_sub(self.shared.clock.now().mono);
            if staying.is_empty() || left == 0 {
                return;
            }
            let is_waiting = staying.iter().all(|&id| self.is_blocked(id));
            let timeout = Duration::from_millis(if is_waiting { left } else { 0 });
            if self.poll.poll(&mut events, Some(timeout)).is_ok() {
                events.iter().for_each(|event| self.note_room(event));
            }
        }
    }

    /// Those on sockets of their own.
    fn readers(&mut self) -> Vec<ReaderId> {
        let ids: Vec<ReaderId> = self.slots.iter().map(|(id, _)| id).collect();
        let mut readers = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(Connection::Reader(reader)) = self.slots.get_mut(id) {
                reader.reader.leave();
                readers.push(id);
            }
        }
        readers
    }

    /// Writes what there is for a reader, its last word after it. Returns whether that is done.
    fn let_go(&mut self, id: ReaderId) -> bool {
        let Some(Connection::Reader(reader)) = self.slots.get_mut(id) else {
            return true;
        };
        if reader.is_blocked {
            return false;
        }
        match reader.serve(&self.shared, &mut self.batch) {
            Served::Rests | Served::Over => {
                self.slots.remove(id);
                true
            }
            Served::Blocked => {
                self.slots.await_room(id, true);
                false
            }
            Served::WantsMore => false,
        }
    }

    /// The time is over: whoever stands between two events hears when to come back.
    fn send_away(&mut self, id: ReaderId) -> bool {
        let retry = self.retry_line();
        if let Some(Connection::Reader(reader)) = self.slots.get_mut(id)
            && !reader.is_blocked
            && reader.reader.pending().is_empty()
        {
            let _ = reader.socket.write(&retry);
        }
        self.slots.remove(id);
        true
    }

    fn is_blocked(&self, id: ReaderId) -> bool {
        matches!(self.slots.get(id), Some(Connection::Reader(reader)) if reader.is_blocked)
    }

    fn note_room(&mut self, event: &Event) {
        let Token(id) = event.token();
        let is_closing = event.is_read_closed() || event.is_error();
        let Some(Connection::Reader(reader)) = self.slots.get_mut(id) else {
            return;
        };
        if (event.is_readable() || is_closing) && reader.socket.is_gone() {
            self.slots.remove(id);
        } else if event.is_writable() {
            reader.is_blocked = false;
        }
    }
}
