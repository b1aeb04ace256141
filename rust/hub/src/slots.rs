//! The connections of the reactor: their numbers, their place in its poll, their timers, and which of them wait for another turn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::AsRawFd;

use mio::event::Source;
#[cfg(any(target_os = "linux", target_os = "android"))]
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use slab::Slab;

use crate::connection::Connection;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::process::Watch;

/// A time at which a connection wants a look: when, which, and its serial, for numbers are used again.
type Timer = Reverse<(u64, usize, u64)>;

struct Slot {
    /// `None` from the connection's end to the end of the turn. Until then its number is not given away: what the poll has already
    /// reported would be taken for the new connection's.
    connection: Option<Connection>,
    serial: u64,
    /// The one timer of this connection that counts.
    timer: Option<u64>,
    is_called_again: bool,
    awaits_room: bool,
}

/// See the module's text.
pub(crate) struct Slots {
    all: Slab<Slot>,
    registry: Registry,
    timers: BinaryHeap<Timer>,
    /// What was left over when its turn ended.
    again: Vec<(usize, u64)>,
    freed: Vec<usize>,
    next_serial: u64,
}

impl Slots {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            all: Slab::new(),
            registry,
            timers: BinaryHeap::new(),
            again: Vec::new(),
            freed: Vec::new(),
            next_serial: 0,
        }
    }

    /// Takes a connection in; `None` (and the connection is closed) where the poll does not take it.
    pub(crate) fn insert(&mut self, connection: Connection) -> Option<usize> {
        self.next_serial += 1;
        let id = self.all.insert(Slot {
            connection: Some(connection),
            serial: self.next_serial,
            timer: None,
            is_called_again: false,
            awaits_room: false,
        });
        let connection = self.all[id].connection.as_mut()?;
        let act = Act::Register(Token(id), Interest::READABLE);
        if act.on(connection, &self.registry).is_err() {
            self.all.remove(id);
            return None;
        }
        Some(id)
    }

    /// Takes a connection out.
    pub(crate) fn remove(&mut self, id: usize) -> Option<Connection> {
        let mut connection = self.all.get_mut(id)?.connection.take()?;
        self.freed.push(id);
        // A descriptor that is about to be closed leaves the poll by itself; a link's may live on as a reader's.
        let _ = Act::Deregister.on(&mut connection, &self.registry);
        Some(connection)
    }

    /// Whether to be told when a socket takes bytes again. Only one that is full is asked: a local socket says so after every read at
    /// its other end, and each time the thread would wake up for nothing.
    pub(crate) fn await_room(&mut self, id: usize, is_full: bool) {
        let Some(slot) = self.all.get_mut(id) else {
            return;
        };
        if slot.awaits_room == is_full {
            return;
        }
        slot.awaits_room = is_full;
        let interest = if is_full {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        if let Some(connection) = &mut slot.connection {
            // It fails only for a socket that is not registered, which none is.
            let _ = Act::Reregister(Token(id), interest).on(connection, &self.registry);
        }
    }

    pub(crate) fn get(&self, id: usize) -> Option<&Connection> {
        self.all.get(id)?.connection.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: usize) -> Option<&mut Connection> {
        self.all.get_mut(id)?.connection.as_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Connection)> {
        self.all
            .iter()
            .filter_map(|(id, slot)| Some((id, slot.connection.as_ref()?)))
    }

    /// The turn is over: what the poll reports from now on is of connections that are there now.
    pub(crate) fn end_turn(&mut self) {
        for id in self.freed.drain(..) {
            self.all.try_remove(id);
        }
    }

    /// This connection has more to do than one turn allows. However often this is said, it gets one more turn.
    pub(crate) fn call_again(&mut self, id: usize) {
        if let Some(slot) = self.all.get_mut(id)
            && !slot.is_called_again
        {
            slot.is_called_again = true;
            self.again.push((id, slot.serial));
        }
    }

    /// Whether somebody waits for another turn.
    pub(crate) fn are_called_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// Who has waited for this turn.
    pub(crate) fn take_called_again(&mut self) -> Vec<usize> {
        let called = std::mem::take(&mut self.again);
        let mut ids = Vec::with_capacity(called.len());
        for (id, serial) in called {
            if let Some(slot) = self.all.get_mut(id).filter(|slot| slot.serial == serial) {
                slot.is_called_again = false;
                ids.push(id);
            }
        }
        ids
    }

    /// Looks at a connection at `due` (of `Now::mono`) at the latest.
    pub(crate) fn set_timer(&mut self, id: usize, due: u64) {
        let Some(slot) = self.all.get_mut(id) else {
            return;
        };
        if slot.timer.is_some_and(|timer| timer <= due) {
            return;
        }
        slot.timer = Some(due);
        self.timers.push(Reverse((due, id, slot.serial)));
        if self.timers.len() > 4 * self.all.len() + 64 {
            // Timers that were replaced by earlier ones stay in the heap until their time has come.
            let slots = &self.all;
            self.timers.retain(|&Reverse(timer)| is_valid(slots, timer));
        }
    }

    pub(crate) fn has_timer(&self, id: usize) -> bool {
        self.all.get(id).is_some_and(|slot| slot.timer.is_some())
    }

    /// When the first timer is due, or may be.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.timers.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next connection whose time has come. Its timer is off afterwards.
    pub(crate) fn take_due(&mut self, now: u64) -> Option<usize> {
        while let Some(&Reverse(timer)) = self.timers.peek() {
            let (due, id, _) = timer;
            if due > now {
                return None;
            }
            self.timers.pop();
            if is_valid(&self.all, timer) {
                self.all[id].timer = None;
                return Some(id);
            }
        }
        None
    }
}

fn is_valid(slots: &Slab<Slot>, (due, id, serial): (u64, usize, u64)) -> bool {
    slots
        .get(id)
        .is_some_and(|slot| slot.serial == serial && slot.timer == Some(due))
}

/// What is done at the poll.
enum Act {
    Register(Token, Interest),
    Reregister(Token, Interest),
    Deregister,
}

impl Act {
    fn on(&self, connection: &mut Connection, registry: &Registry) -> io::Result<()> {
        match connection {
            Connection::Reader(reader) => self.on_source(&mut reader.socket, registry),
            Connection::Peer(peer) => self.on_source(&mut peer.stream, registry),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Connection::Process(process) => match &process.watch {
                Watch::Descriptor(descriptor) => {
                    self.on_source(&mut SourceFd(&descriptor.as_raw_fd()), registry)
                }
                Watch::Ask(_) | Watch::Until(_) => Ok(()),
            },
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            Connection::Process(_) => Ok(()),
            Connection::Portable { .. } => Ok(()),
        }
    }

    fn on_source(&self, source: &mut impl Source, registry: &Registry) -> io::Result<()> {
        match *self {
            Self::Register(token, interest) => source.register(registry, token, interest),
            Self::Reregister(token, interest) => source.reregister(registry, token, interest),
            Self::Deregister => source.deregister(registry),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use mio::Poll;

    use super::Slots;
    use crate::connection::{Connection, Process};
    use crate::process::Watch;

    fn watched() -> Connection {
        Connection::Process(Box::new(Process {
            watch: Watch::Until(0),
            link: [0; 16],
        }))
    }

    fn slots() -> Slots {
        Slots::new(Poll::new().unwrap().registry().try_clone().unwrap())
    }

    #[test]
    fn a_number_is_not_given_away_within_a_turn() {
        let mut slots = slots();
        let first = slots.insert(watched()).unwrap();
        slots.remove(first);
        assert!(slots.get(first).is_none());
        assert_ne!(slots.insert(watched()), Some(first));
        slots.end_turn();
        assert_eq!(slots.insert(watched()), Some(first));
    }

    #[test]
    fn who_calls_often_gets_one_more_turn() {
        let mut slots = slots();
        let (first, second) = (
            slots.insert(watched()).unwrap(),
            slots.insert(watched()).unwrap(),
        );
        for id in [first, second, first, first] {
            slots.call_again(id);
        }
        slots.remove(second);
        slots.end_turn();
        slots.insert(watched());
        assert_eq!(slots.take_called_again(), [first]);
        assert!(!slots.are_called_again());
    }

    #[test]
    fn only_the_earliest_timer_of_a_connection_counts() {
        let mut slots = slots();
        let id = slots.insert(watched()).unwrap();
        for due in [50, 40, 60, 30] {
            slots.set_timer(id, due);
        }
        assert_eq!((slots.take_due(29), slots.take_due(30)), (None, Some(id)));
        slots.set_timer(id, 55);
        assert_eq!((slots.take_due(54), slots.take_due(99)), (None, Some(id)));
        assert_eq!(slots.take_due(99), None);
    }

    #[test]
    fn timers_that_were_replaced_take_no_room_for_ever() {
        let mut slots = slots();
        let id = slots.insert(watched()).unwrap();
        for due in (0..10_000).rev() {
            slots.set_timer(id, due);
        }
        assert!(slots.timers.len() <= 64 + 4 + 1);
        assert_eq!(slots.take_due(u64::MAX), Some(id));
    }
}
