//! The reactor's side towards subscribers, over sockets and on the portable path.

use super::Reactor;
use crate::audience::ReaderId;
use crate::clock::Now;
use crate::connection::{Connection, Served};
use crate::reader::{Reader, lock};
use crate::report::{Question, Report};
use crate::roster::ConnectionName;
use crate::start::Start;
use crate::state::{News, State};

/// How long other readers wait at the most to be told of those who came and left, in milliseconds.
const TELLING: u64 = 1000;

/// How long a subscriber is left alone at the most, in milliseconds.
const LONGEST_REST: u64 = 60_000;

impl Reactor {
    /// A subscriber comes in.
    pub(super) fn begin(&mut self, connection: Connection) -> Option<ReaderId> {
        let name = connection.reader_name()?;
        // Where the poll does not take it, its visits are left with it.
        let visits = connection.visits();
        let Some(id) = self.slots.insert(connection) else {
            let mut state = lock(&self.shared.state);
            state.reader_left(name);
            for visit in visits {
                state.visit_left(visit);
            }
            return None;
        };
        self.names.insert(name, id);
        // Streams may have come and gone since its cursors were fixed.
        self.look_up(id);
        self.arm(id);
        Some(id)
    }

    /// Gives one subscriber what there is for it.
    pub(super) fn serve(&mut self, id: ReaderId) {
        match self.slots.get_mut(id) {
            Some(Connection::Portable { id, .. }) => self.shared.portable.mark_ready(*id),
            Some(Connection::Reader(reader)) if !reader.is_blocked => {
                match reader.serve(&self.shared, &mut self.batch) {
                    Served::Rests => {
                        // What is held back is written earlier than its timer says, maybe.
                        let is_holding = reader.reader.subscription.is_conflating();
                        self.slots.await_room(id, false);
                        if is_holding || !self.slots.has_timer(id) {
                            self.arm(id);
                        }
                    }
                    Served::Blocked => {
                        let patience = self.stall_timeout;
                        let stall = patience.and_then(|it| reader.reader.stalls_at(it));
                        self.slots.await_room(id, true);
                        if let Some(due) = stall {
                            self.slots.set_timer(id, due);
                        }
                    }
                    Served::WantsMore => self.slots.call_again(id),
                    Served::Over => self.drop_reader(id),
                }
            }
            _ => {}
        }
    }

    /// Sets the timer of a subscriber that rests. One that has a timer needs no other when it is written to: that only moves its
    /// keep-alive further away.
    pub(super) fn arm(&mut self, id: ReaderId) {
        let now = self.shared.clock.now();
        if let Some(due) = self.with_reader(id, |reader, state| reader.deadline(state, now)) {
            // The next run of a stream may ask for a shorter interval.
            let rest = self.stall_timeout.unwrap_or(LONGEST_REST);
            self.slots
                .set_timer(id, due.min(now.mono + rest.min(LONGEST_REST)));
        }
    }

    /// Closes a subscriber that has taken nothing for too long. Returns whether it is one.
    fn close_stalled(&mut self, id: ReaderId, now: Now) -> bool {
        let Some(patience) = self.stall_timeout else {
            return false;
        };
        match self.slots.get_mut(id) {
            Some(Connection::Reader(reader)) => {
                if !reader.is_stalled(patience, now) {
                    return false;
                }
                reader.socket.give_up();
                self.drop_reader(id);
            }
            Some(Connection::Portable { id, .. }) => {
                if !self.shared.portable.give_up_stalled(*id, patience, now) {
                    return false;
                }
            }
            _ => return false,
        }
        lock(&self.shared.state).counters.stalled += 1;
        true
    }

    /// A subscriber's time has come: a keep-alive, or something untold.
    pub(super) fn look_after(&mut self, id: ReaderId, now: Now) {
        if self.close_stalled(id, now) {
            return;
        }
        self.with_reader(id, |reader, state| reader.ping_if_silent(state, now));
        self.serve(id);
        self.arm(id);
    }

    /// Serves everybody whom the news concern.
    pub(super) fn tell_subscribers(&mut self, news: &News) {
        if news.has_new_route {
            self.tell_waiting();
        }
        for &key in &news.removed {
            for id in self.audience.take_stream(key) {
                self.look_up(id);
            }
        }
        for name in &news.created {
            for id in self.audience.take_waiting(name) {
                self.look_up(id);
            }
        }
        for &key in &news.dirty {
            for id in self.audience.readers(key).to_vec() {
                self.serve(id);
            }
        }
        self.recounted.extend(&news.recounted);
    }

    /// Streams came or went: finds out what a subscriber reads and what it waits for, and serves it.
    fn look_up(&mut self, id: ReaderId) {
        let now = self.shared.clock.now().unix;
        self.with_reader(id, |reader, state| {
            reader.subscription.look_up(state);
            reader.subscription.call_again_on_routes(state, now);
        });
        self.enter(id);
        self.serve(id);
    }

    /// A route was opened: some may wait for what it stands for.
    fn tell_waiting(&mut self) {
        let waiting = {
            let state = lock(&self.shared.state);
            self.audience.waiting_for(|name| state.has_route(name))
        };
        for name in waiting {
            for id in self.audience.take_waiting(&name) {
                self.look_up(id);
            }
        }
    }

    pub(super) fn change(&mut self, connection: ConnectionName, add: &[String], remove: &[String]) {
        let Some(&id) = self.names.get(&connection) else {
            return;
        };
        let is_single = self.with_reader(id, |reader, _| reader.subscription.is_single());
        if is_single != Some(false) {
            return;
        }
        self.leave(id);
        let now = self.shared.clock.now().unix;
        self.with_reader(id, |reader, state| {
            let subscription = &mut reader.subscription;
            for name in remove {
                subscription.remove(name);
            }
            for target in add {
                let (name, start) = target.split_once('@').unwrap_or((target, ""));
                subscription.add(state, name, &Start::parse(start));
            }
            subscription.call_again_on_routes(state, now);
        });
        self.enter(id);
        self.serve(id);
    }

    fn with_reader<R>(
        &mut self,
        id: ReaderId,
        action: impl FnOnce(&mut Reader, &mut State) -> R,
    ) -> Option<R> {
        let connection = self.slots.get_mut(id)?;
        connection.with_reader(&self.shared.state, action)
    }

    /// Enters a subscriber under what it reads and waits for.
    ///
    /// The others are told later: ten thousand that come or go at once must not each cause ten thousand looks.
    fn enter(&mut self, id: ReaderId) {
        let audience = &mut self.audience;
        let Some(connection) = self.slots.get_mut(id) else {
            return;
        };
        connection.with_reader(&self.shared.state, |reader, state| {
            for key in audience.enter(id, &reader.subscription) {
                state.reader_entered(key, reader.subscription.is_passing());
            }
        });
    }

    /// Takes a subscriber out of what it reads and waits for.
    fn leave(&mut self, id: ReaderId) {
        let audience = &mut self.audience;
        let Some(connection) = self.slots.get_mut(id) else {
            return;
        };
        connection.with_reader(&self.shared.state, |reader, state| {
            for key in audience.leave(id, &reader.subscription) {
                state.reader_gone(key, reader.subscription.is_passing());
            }
        });
    }

    /// Tells those who want to know how many read.
    pub(super) fn tell_counts(&mut self, now: Now) {
        if self.recounted.is_empty() || now.mono < self.next_telling {
            return;
        }
        self.next_telling = now.mono + TELLING;
        for key in std::mem::take(&mut self.recounted) {
            for id in self.audience.listeners(key).to_vec() {
                self.serve(id);
                // It may have been told too recently.
                self.arm(id);
            }
        }
    }

    /// What can be seen of the readers that are asked for.
    pub(super) fn report(&self, question: &Question, now: Now) -> Vec<Report> {
        let ids: Vec<ReaderId> = match question.stream.as_deref() {
            None => self.names.values().copied().collect(),
            Some(name) => {
                let found = lock(&self.shared.state).find(name).map(|(key, _)| key);
                found.map_or_else(Vec::new, |key| self.audience.readers(key).to_vec())
            }
        };
        let reports = ids.into_iter().filter_map(|id| match self.slots.get(id)? {
            Connection::Reader(reader) => {
                let state = lock(&self.shared.state);
                let motion = reader.motion(now);
                reader.reader.report(&state, question, "socket", motion)
            }
            Connection::Portable { id, reader } => {
                let motion = self.shared.portable.motion(*id, now);
                let reader = lock(reader);
                let state = lock(&self.shared.state);
                reader.report(&state, question, "portable", motion)
            }
            Connection::Peer(_) | Connection::Process(_) => None,
        });
        reports.collect()
    }

    /// A subscriber is gone, or has got everything.
    pub(super) fn drop_reader(&mut self, id: ReaderId) {
        self.leave(id);
        self.with_reader(id, |reader, state| {
            reader.subscription.leave_visits(state);
        });
        if let Some(name) = self.slots.get(id).and_then(Connection::reader_name) {
            lock(&self.shared.state).reader_left(name);
            self.names.remove(&name);
        }
        if let Some(Connection::Portable { id, .. }) = self.slots.get(id) {
            self.shared.portable.remove(*id);
            self.portable.remove(id);
        }
        self.slots.remove(id);
    }
}
