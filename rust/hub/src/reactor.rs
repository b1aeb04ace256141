//! The hub's thread: links in, sockets out. It knows no rules; they are in `state`, `links` and `subscription`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jupyter_sse_codec::frame::ToKernel;
use mio::event::Source;
use mio::net::UnixListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::audience::{Audience, ReaderId};
use crate::clock::{Now, millis};
use crate::connection::{Connection, Served, SocketReader};
use crate::hub::{local_subscription, retry_line};
use crate::peer::{Input, Peer};
use crate::process::{self, Watch};
use crate::random;
use crate::reader::{Reader, SharedBatch, lock};
use crate::shared::{Command, Shared};
use crate::socket::Socket;
use crate::start::Start;
use crate::state::StreamKey;
use crate::stream::LinkId;
use crate::subscription::Subscription;

pub(crate) const WAKER: Token = Token(usize::MAX - 1);
const LISTENER: Token = Token(usize::MAX - 2);
/// What is read of a link at a time: much enough to be cheap, little enough that readers wait for it only briefly.
const READ_BYTES: usize = 256 << 10;
/// How often ages, retention and stubborn producers are looked at, in milliseconds.
const HOUSEKEEPING: u64 = 1000;
/// How long other readers wait at the most to be told of those who came and left, in milliseconds.
const TELLING: u64 = 1000;

/// A time at which a connection wants a look: when, which, and its serial, for tokens are used again.
type Timer = Reverse<(u64, usize, u64)>;

struct Slot {
    serial: u64,
    /// The one timer of this connection that counts.
    timer: Option<u64>,
    connection: Connection,
}

/// See the module's text.
pub(crate) struct Reactor {
    shared: Arc<Shared>,
    poll: Poll,
    listener: Option<UnixListener>,
    slots: Slab<Slot>,
    audience: Audience,
    links: HashMap<LinkId, usize>,
    /// Readers by the connection's public name.
    names: HashMap<String, ReaderId>,
    portable: HashMap<u64, ReaderId>,
    timers: BinaryHeap<Timer>,
    next_serial: u64,
    next_housekeeping: u64,
    /// Streams that readers came to or left since the others were told.
    recounted: HashSet<StreamKey>,
    next_telling: u64,
    /// What was left over when its turn ended.
    again: Vec<usize>,
    batch: SharedBatch,
    scratch: Vec<u8>,
    is_closing: bool,
}

impl Reactor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        poll: Poll,
        listener: Option<UnixListener>,
    ) -> io::Result<Self> {
        let mut reactor = Self {
            shared,
            poll,
            listener,
            slots: Slab::new(),
            audience: Audience::default(),
            links: HashMap::new(),
            names: HashMap::new(),
            portable: HashMap::new(),
            timers: BinaryHeap::new(),
            next_serial: 0,
            next_housekeeping: 0,
            recounted: HashSet::new(),
            next_telling: 0,
            again: Vec::new(),
            batch: SharedBatch::default(),
            scratch: vec![0; READ_BYTES],
            is_closing: false,
        };
        if let Some(listener) = &mut reactor.listener {
            reactor
                .poll
                .registry()
                .register(listener, LISTENER, Interest::READABLE)?;
        }
        Ok(reactor)
    }

    /// Until somebody closes the hub.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.is_closing {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            }
            self.turn(&events);
        }
        self.say_goodbye();
    }

    fn turn(&mut self, events: &Events) {
        self.batch.forget();
        let left_over = std::mem::take(&mut self.again);
        for event in events {
            match event.token() {
                WAKER => {}
                LISTENER => self.accept(),
                Token(id) => self.ready(
                    id,
                    event.is_readable() || event.is_read_closed() || event.is_error(),
                    event.is_writable(),
                ),
            }
        }
        for id in left_over {
            self.go_on(id);
        }
        for command in self.shared.take_commands() {
            self.obey(command);
        }
        let now = self.shared.clock.now();
        self.fire_timers(now);
        self.keep_house(now);
        self.tell_counts(now);
        self.spread_news();
    }

    fn timeout(&self) -> Duration {
        if !self.again.is_empty() {
            return Duration::ZERO;
        }
        let now = self.shared.clock.now().mono;
        let mut due = self.next_housekeeping;
        if let Some(Reverse((first, ..))) = self.timers.peek() {
            due = due.min(*first);
        }
        if !self.recounted.is_empty() {
            due = due.min(self.next_telling);
        }
        Duration::from_millis(due.saturating_sub(now).max(1))
    }

    fn keep_house(&mut self, now: Now) {
        if now.mono < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = now.mono + HOUSEKEEPING;
        lock(&self.shared.state).keep_house(now.unix);
        let asked = |(id, slot): (usize, &Slot)| match slot.connection {
            Connection::Asked { pid, link } if process::is_gone(pid) => Some((id, link)),
            _ => None,
        };
        let gone: Vec<(usize, LinkId)> = self.slots.iter().filter_map(asked).collect();
        for (id, link) in gone {
            self.slots.remove(id);
            lock(&self.shared.state).link_gone(&link, now.unix);
        }
    }

    /// One connection can be read or written, or has waited for its next turn.
    fn ready(&mut self, id: usize, is_readable: bool, is_writable: bool) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        match &mut slot.connection {
            Connection::Reader(reader) => {
                if is_readable && reader.socket.is_gone() {
                    return self.drop_reader(id);
                }
                if is_writable {
                    reader.is_blocked = false;
                }
                self.serve(id);
            }
            Connection::Peer(_) => self.hear(id, is_readable),
            Connection::Process { link, .. } => {
                let link = *link;
                self.remove(id);
                lock(&self.shared.state).link_gone(&link, self.shared.clock.now().unix);
            }
            Connection::Portable { .. } | Connection::Asked { .. } => {}
        }
    }

    /// One connection has waited for its next turn.
    fn go_on(&mut self, id: usize) {
        match self.slots.get(id).map(|slot| &slot.connection) {
            Some(Connection::Peer(_)) => self.hear(id, true),
            Some(_) => self.serve(id),
            None => {}
        }
    }

    /// Gives one subscriber what there is for it.
    fn serve(&mut self, id: ReaderId) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        match &mut slot.connection {
            Connection::Portable { id, .. } => return self.shared.portable.mark_ready(*id),
            Connection::Reader(reader) if !reader.is_blocked => {
                match reader.serve(&self.shared, &mut self.batch) {
                    Served::Rests => {}
                    Served::Blocked => return,
                    Served::WantsMore => return self.again.push(id),
                    Served::Over => return self.drop_reader(id),
                }
            }
            _ => return,
        }
        self.arm(id);
    }

    /// Sets the timer of a subscriber that rests.
    fn arm(&mut self, id: ReaderId) {
        let Some(slot) = self.slots.get_mut(id) else {
            return;
        };
        let now = self.shared.clock.now();
        let due = {
            let state = lock(&self.shared.state);
            match &slot.connection {
                Connection::Reader(reader) => reader.reader.deadline(&state, now),
                Connection::Portable { reader, .. } => {
                    // The other loop may hold the reader and want the state: never wait for it with the state in hand.
                    drop(state);
                    let reader = lock(reader);
                    reader.deadline(&lock(&self.shared.state), now)
                }
                _ => return,
            }
        };
        if slot.timer.is_none_or(|timer| due < timer) {
            slot.timer = Some(due);
            self.timers.push(Reverse((due, id, slot.serial)));
        }
    }

    fn fire_timers(&mut self, now: Now) {
        while let Some(&Reverse((due, id, serial))) = self.timers.peek() {
            if due > now.mono {
                break;
            }
            self.timers.pop();
            let Some(slot) = self
                .slots
                .get_mut(id)
                .filter(|slot| slot.serial == serial && slot.timer == Some(due))
            else {
                continue;
            };
            slot.timer = None;
            match &mut slot.connection {
                Connection::Reader(reader) => {
                    reader.reader.ping_if_silent(&lock(&self.shared.state), now);
                }
                Connection::Portable { reader, .. } => {
                    let mut reader = lock(reader);
                    reader.ping_if_silent(&lock(&self.shared.state), now);
                }
                _ => continue,
            }
            self.serve(id);
            self.arm(id);
        }
    }

    /// Reads a link once; what more there is comes in the next turn, after the readers had theirs.
    fn hear(&mut self, id: usize, is_readable: bool) {
        let Some(Slot {
            connection: Connection::Peer(peer),
            ..
        }) = self.slots.get_mut(id)
        else {
            return;
        };
        let input = if is_readable {
            peer.read(
                &self.shared.state,
                self.shared.clock.now(),
                &mut self.scratch,
            )
        } else {
            Input::Drained
        };
        if let Some(link) = peer.link {
            self.links.insert(link, id);
        }
        match input {
            Input::More => self.again.push(id),
            Input::Drained => {}
            Input::Subscribe(query) => return self.become_reader(id, &query),
            Input::Gone => return self.drop_peer(id),
        }
        self.flush_peer(id);
    }

    fn flush_peer(&mut self, id: usize) {
        if let Some(Slot {
            connection: Connection::Peer(peer),
            ..
        }) = self.slots.get_mut(id)
            && !peer.flush()
        {
            self.drop_peer(id);
        }
    }

    fn accept(&mut self) {
        loop {
            let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) else {
                return;
            };
            let max_event_bytes = lock(&self.shared.state).options().max_event_bytes;
            if let Ok(peer) = Peer::new(stream, max_event_bytes) {
                lock(&self.shared.state).counters.links += 1;
                self.insert(Connection::Peer(peer));
            }
        }
    }

    /// Tells subscribers and links what has changed since the last time.
    fn spread_news(&mut self) {
        let (dirty, created, removed, outbox) = {
            let mut state = lock(&self.shared.state);
            if !state.has_news() {
                return;
            }
            (
                state.take_dirty(),
                state.take_created(),
                state.take_removed(),
                std::mem::take(&mut state.outbox),
            )
        };
        for key in removed {
            for id in self.audience.take_stream(key) {
                self.look_up(id);
            }
        }
        for name in created {
            for id in self.audience.take_waiting(&name) {
                self.look_up(id);
            }
        }
        for key in dirty {
            for id in self.audience.readers(key).to_vec() {
                self.serve(id);
            }
        }
        for (link, frame) in outbox {
            let Some(&id) = self.links.get(&link) else {
                continue;
            };
            if let Some(Slot {
                connection: Connection::Peer(peer),
                ..
            }) = self.slots.get_mut(id)
            {
                peer.push(&frame);
                self.flush_peer(id);
            }
        }
        self.flush_again();
    }

    /// Commands and frames that came while the news was spread make more news.
    fn flush_again(&mut self) {
        if lock(&self.shared.state).has_news() {
            self.shared.wake();
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.shared.clock.now();
        match command {
            Command::Attach {
                subscription,
                socket,
                mut head,
            } => {
                head.extend_from_slice(&self.retry_line());
                let reader = Reader::new(subscription, head, now, self.expiry(now));
                self.begin(Connection::Reader(SocketReader {
                    socket,
                    reader,
                    is_blocked: false,
                }));
            }
            Command::AttachPortable {
                id,
                subscription,
                mut head,
            } => {
                head.extend_from_slice(&self.retry_line());
                let reader = Reader::new(subscription, head, now, self.expiry(now));
                let reader = Arc::new(Mutex::new(reader));
                self.shared.portable.add(id, Arc::clone(&reader));
                if let Some(slot) = self.begin(Connection::Portable { id, reader }) {
                    self.portable.insert(id, slot);
                }
            }
            Command::DetachPortable { id } => {
                if let Some(slot) = self.portable.remove(&id) {
                    self.drop_reader(slot);
                }
            }
            Command::Change {
                connection,
                add,
                remove,
            } => self.change(&connection, &add, &remove),
            Command::Close => self.is_closing = true,
        }
    }

    /// A subscriber comes in.
    fn begin(&mut self, connection: Connection) -> Option<ReaderId> {
        let id = self.insert(connection)?;
        let name = self.with_subscription(id, |subscription, state| {
            state.counters.connections += 1;
            state.counters.connections_opened += 1;
            state.connections.insert(
                subscription.connection.clone(),
                subscription.user().to_owned(),
            );
            subscription.connection.clone()
        });
        self.names.insert(name.unwrap_or_default(), id);
        // Streams may have come and gone since its cursors were fixed.
        self.look_up(id);
        self.arm(id);
        Some(id)
    }

    /// Streams came or went: finds out what a subscriber reads and what it waits for, and serves it.
    fn look_up(&mut self, id: ReaderId) {
        self.with_subscription(id, |subscription, state| subscription.look_up(state));
        self.enter(id);
        self.serve(id);
    }

    fn change(&mut self, connection: &str, add: &[String], remove: &[String]) {
        let Some(&id) = self.names.get(connection) else {
            return;
        };
        let is_single = self.with_subscription(id, |subscription, _| subscription.is_single());
        if is_single != Some(false) {
            return;
        }
        self.leave(id);
        self.with_subscription(id, |subscription, state| {
            for name in remove {
                subscription.remove(name);
            }
            for target in add {
                let (name, start) = target.split_once('@').unwrap_or((target, ""));
                subscription.add(state, name, Start::parse(start));
            }
        });
        self.enter(id);
        self.serve(id);
    }

    /// Runs with a reader's subscription and the state, in the one order of locks there is: reader, then state.
    fn with_subscription<R>(
        &mut self,
        id: ReaderId,
        action: impl FnOnce(&mut Subscription, &mut crate::state::State) -> R,
    ) -> Option<R> {
        match &mut self.slots.get_mut(id)?.connection {
            Connection::Reader(reader) => Some(action(
                &mut reader.reader.subscription,
                &mut lock(&self.shared.state),
            )),
            Connection::Portable { reader, .. } => {
                let mut reader = lock(reader);
                Some(action(
                    &mut reader.subscription,
                    &mut lock(&self.shared.state),
                ))
            }
            _ => None,
        }
    }

    fn enter(&mut self, id: ReaderId) {
        let Some(Slot { connection, .. }) = self.slots.get(id) else {
            return;
        };
        let keys: Vec<_> = match connection {
            Connection::Reader(reader) => {
                self.audience.enter(id, &reader.reader.subscription);
                reader.reader.subscription.keys().collect()
            }
            Connection::Portable { reader, .. } => {
                let reader = lock(reader);
                self.audience.enter(id, &reader.subscription);
                reader.subscription.keys().collect()
            }
            _ => return,
        };
        self.count_subscribers(keys);
    }

    fn leave(&mut self, id: ReaderId) {
        let Some(Slot { connection, .. }) = self.slots.get(id) else {
            return;
        };
        let keys: Vec<_> = match connection {
            Connection::Reader(reader) => {
                self.audience.leave(id, &reader.reader.subscription);
                reader.reader.subscription.keys().collect()
            }
            Connection::Portable { reader, .. } => {
                let reader = lock(reader);
                self.audience.leave(id, &reader.subscription);
                reader.subscription.keys().collect()
            }
            _ => return,
        };
        self.count_subscribers(keys);
    }

    /// Enters how many read. The others are told later: ten thousand that come or go at once must not each cause ten thousand looks.
    fn count_subscribers(&mut self, keys: Vec<StreamKey>) {
        let mut state = lock(&self.shared.state);
        for &key in &keys {
            if let Some(stream) = state.stream_mut(key) {
                stream.subscribers = self.audience.readers(key).len();
            }
        }
        drop(state);
        self.recounted.extend(keys);
    }

    /// Tells those who want to know how many read.
    fn tell_counts(&mut self, now: Now) {
        if self.recounted.is_empty() || now.mono < self.next_telling {
            return;
        }
        self.next_telling = now.mono + TELLING;
        for key in std::mem::take(&mut self.recounted) {
            for id in self.audience.listeners(key).to_vec() {
                self.serve(id);
            }
        }
    }

    fn drop_reader(&mut self, id: ReaderId) {
        self.leave(id);
        let name = self.with_subscription(id, |subscription, state| {
            state.counters.connections = state.counters.connections.saturating_sub(1);
            state.connections.remove(&subscription.connection);
            subscription.connection.clone()
        });
        self.names.remove(&name.unwrap_or_default());
        if let Some(Slot {
            connection: Connection::Portable { id, .. },
            ..
        }) = self.slots.get(id)
        {
            self.shared.portable.remove(*id);
            self.portable.remove(id);
        }
        self.remove(id);
    }

    fn drop_peer(&mut self, id: usize) {
        let Some(Connection::Peer(peer)) = self.remove(id) else {
            return;
        };
        let mut state = lock(&self.shared.state);
        state.counters.links = state.counters.links.saturating_sub(1);
        let Some(link) = peer.link else { return };
        if self.links.get(&link) != Some(&id) {
            return;
        }
        self.links.remove(&link);
        state.link_down(&link);
        let Some(pid) = state.links.get(&link).map(super::links::LinkState::pid) else {
            return;
        };
        let now = self.shared.clock.now().unix;
        match process::watch(pid) {
            Watch::Gone => state.link_gone(&link, now),
            Watch::Ask(pid) => {
                drop(state);
                self.insert(Connection::Asked { pid, link });
            }
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Watch::Descriptor(descriptor) => {
                drop(state);
                self.insert(Connection::Process { descriptor, link });
            }
        }
    }

    /// A socket that came in by the links' door turns out to want events.
    fn become_reader(&mut self, id: usize, query: &str) {
        let Some(Connection::Peer(mut peer)) = self.remove(id) else {
            return;
        };
        let made = {
            let mut state = lock(&self.shared.state);
            state.counters.links = state.counters.links.saturating_sub(1);
            local_subscription(&state, query)
        };
        let (status, body) = match &made {
            Ok(_) => (200, "{}".to_owned()),
            Err((status, body)) => (*status, body.clone()),
        };
        let mut head = Vec::new();
        ToKernel::Answer {
            request: 0,
            status,
            body: &body,
        }
        .encode(&mut head);
        let Ok(subscription) = made else {
            peer.push(&head);
            peer.flush();
            return;
        };
        let stream = std::os::unix::net::UnixStream::from(peer.stream);
        if let Ok(socket) = Socket::from_owned(stream.into()) {
            self.obey(Command::Attach {
                subscription,
                socket,
                head,
            });
        }
    }

    fn insert(&mut self, connection: Connection) -> Option<usize> {
        self.next_serial += 1;
        let id = self.slots.insert(Slot {
            serial: self.next_serial,
            timer: None,
            connection,
        });
        let registry = self.poll.registry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let done = match &mut self.slots[id].connection {
            Connection::Reader(reader) => reader.socket.register(registry, Token(id), interest),
            Connection::Peer(peer) => peer.stream.register(registry, Token(id), interest),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Connection::Process { descriptor, .. } => SourceFd(&std::os::fd::AsRawFd::as_raw_fd(
                descriptor,
            ))
            .register(registry, Token(id), Interest::READABLE),
            Connection::Portable { .. } | Connection::Asked { .. } => Ok(()),
        };
        if done.is_err() {
            self.slots.remove(id);
            return None;
        }
        Some(id)
    }

    fn remove(&mut self, id: usize) -> Option<Connection> {
        let mut connection = self.slots.try_remove(id)?.connection;
        let registry = self.poll.registry();
        // A descriptor that is about to be closed leaves the poll by itself; a link's may live on as a reader's.
        let _ = match &mut connection {
            Connection::Reader(reader) => reader.socket.deregister(registry),
            Connection::Peer(peer) => peer.stream.deregister(registry),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Connection::Process { descriptor, .. } => {
                SourceFd(&std::os::fd::AsRawFd::as_raw_fd(descriptor)).deregister(registry)
            }
            Connection::Portable { .. } | Connection::Asked { .. } => Ok(()),
        };
        Some(connection)
    }

    /// When a reader that comes now has to come back. With jitter, so that those who came together do not return together.
    fn expiry(&self, now: Now) -> u64 {
        let age = lock(&self.shared.state).options().max_connection_age;
        age.map_or(u64::MAX, |age| {
            let age = millis(age);
            now.mono.saturating_add(age - random::below(age / 10 + 1))
        })
    }

    fn retry_line(&self) -> Vec<u8> {
        retry_line(lock(&self.shared.state).options().reconnection_time)
    }

    /// Gives every subscriber what is pending, and a time to come back that is not everybody's.
    fn say_goodbye(&mut self) {
        for id in self.slots.iter().map(|(id, _)| id).collect::<Vec<_>>() {
            let retry = self.retry_line();
            let Some(Slot {
                connection: Connection::Reader(reader),
                ..
            }) = self.slots.get_mut(id)
            else {
                continue;
            };
            if !reader.is_blocked && reader.serve(&self.shared, &mut self.batch) == Served::Rests {
                let _ = reader.socket.write(&retry);
            }
        }
    }
}
