//! A thread of the hub: links in, sockets out. It knows no rules; they are in `state`, `links` and `subscription`.

mod goodbye;
mod kernels;
mod subscribers;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mio::event::Event;
use mio::net::UnixListener;
use mio::{Events, Interest, Poll, Token};

use crate::audience::{Audience, ReaderId};
use crate::clock::{Now, millis};
use crate::connection::{Connection, SocketReader};
use crate::control::retry_line;
use crate::number_map::NumberMap;
use crate::random;
use crate::reader::{Reader, SharedBatch, lock};
use crate::roster::ConnectionName;
use crate::shared::{Command, Shared};
use crate::slots::Slots;
use crate::state::StreamKey;
use crate::stream::LinkId;

pub(crate) const WAKER: Token = Token(usize::MAX - 1);
const LISTENER: Token = Token(usize::MAX - 2);
/// What is read of a link at a time: much enough to be cheap, little enough that readers wait for it only briefly.
const READ_BYTES: usize = 256 << 10;
/// How often ages, retention and stubborn producers are looked at, in milliseconds.
const HOUSEKEEPING: u64 = 1000;

/// The thread that has the links, the portable readers and what passes with time; others have nothing but readers.
const FIRST: usize = 0;

/// See the module's text.
pub(crate) struct Reactor {
    /// Which of the hub's threads it is.
    thread: usize,
    shared: Arc<Shared>,
    poll: Poll,
    listener: Option<UnixListener>,
    slots: Slots,
    audience: Audience,
    /// The connection of each link that is up.
    links: HashMap<LinkId, usize>,
    /// The watch over the process of each link that is down.
    watches: HashMap<LinkId, usize>,
    /// Readers by the connection's public name.
    names: NumberMap<ConnectionName, ReaderId>,
    portable: HashMap<u64, ReaderId>,
    next_housekeeping: u64,
    /// How long a reader may take nothing of what waits for it, in milliseconds.
    stall_timeout: Option<u64>,
    /// Streams that readers came to or left since the others were told.
    recounted: BTreeSet<StreamKey>,
    next_telling: u64,
    batch: SharedBatch,
    scratch: Vec<u8>,
    is_closing: bool,
}

impl Drop for Reactor {
    /// However the thread ends, nobody waits to be carried by it.
    fn drop(&mut self) {
        self.shared.close(self.thread);
    }
}

impl Reactor {
    /// `listener` is for the first.
    pub(crate) fn new(
        thread: usize,
        shared: Arc<Shared>,
        poll: Poll,
        mut listener: Option<UnixListener>,
    ) -> io::Result<Self> {
        let registry = poll.registry().try_clone()?;
        if let Some(listener) = &mut listener {
            registry.register(listener, LISTENER, Interest::READABLE)?;
        }
        let stall_timeout = lock(&shared.state).options().stall_timeout.map(millis);
        Ok(Self {
            thread,
            shared,
            poll,
            listener,
            slots: Slots::new(registry),
            audience: Audience::default(),
            links: HashMap::new(),
            watches: HashMap::new(),
            names: NumberMap::default(),
            portable: HashMap::new(),
            next_housekeeping: 0,
            stall_timeout,
            recounted: BTreeSet::new(),
            next_telling: 0,
            batch: SharedBatch::default(),
            scratch: vec![0; READ_BYTES],
            is_closing: false,
        })
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
        let called_again = self.slots.take_called_again();
        for event in events {
            match event.token() {
                WAKER => {}
                LISTENER => self.accept(),
                Token(id) => self.ready(id, event),
            }
        }
        for id in called_again {
            self.go_on(id);
        }
        let post = self.shared.take_post(self.thread);
        for command in post.commands {
            self.obey(command);
        }
        self.tell_subscribers(&post.news);
        let now = self.shared.clock.now();
        while let Some(id) = self.slots.take_due(now.mono) {
            self.look_after(id, now);
        }
        self.keep_house(now);
        self.spread_news();
        self.tell_counts(now);
        self.slots.end_turn();
        // A link that broke on the way, readers that came or went, and other threads meanwhile, have made more.
        if lock(&self.shared.state).has_news() {
            self.shared.wake();
        }
    }

    fn timeout(&self) -> Duration {
        if self.slots.are_called_again() {
            return Duration::ZERO;
        }
        let mut due = self.next_housekeeping;
        if let Some(timer) = self.slots.next_timer() {
            due = due.min(timer);
        }
        if !self.recounted.is_empty() {
            due = due.min(self.next_telling);
        }
        let now = self.shared.clock.now().mono;
        Duration::from_millis(due.saturating_sub(now).max(1))
    }

    /// One connection can be read or written.
    fn ready(&mut self, id: usize, event: &Event) {
        let is_closing = event.is_read_closed() || event.is_error();
        match self.slots.get_mut(id) {
            Some(Connection::Reader(reader)) => {
                if (event.is_readable() || is_closing) && reader.socket.is_gone() {
                    return self.drop_reader(id);
                }
                if event.is_writable() {
                    reader.is_blocked = false;
                }
                self.serve(id);
            }
            Some(Connection::Peer(peer)) => {
                peer.is_closing |= is_closing;
                if event.is_readable() || is_closing {
                    self.hear(id);
                } else {
                    self.flush_peer(id);
                }
            }
            Some(Connection::Process(_)) => self.process_gone(id),
            Some(Connection::Portable { .. }) | None => {}
        }
    }

    /// One connection has waited for its next turn.
    fn go_on(&mut self, id: usize) {
        if let Some(Connection::Peer(_)) = self.slots.get(id) {
            self.hear(id);
        } else {
            self.serve(id);
        }
    }

    fn keep_house(&mut self, now: Now) {
        if now.mono < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = now.mono + HOUSEKEEPING;
        if self.thread != FIRST {
            return;
        }
        lock(&self.shared.state).keep_house(now.unix);
        self.ask_for_processes(now);
        // Where the system had no descriptor for a caller, the poll does not report that caller again.
        self.accept();
    }

    /// Deals with what has changed in the state since the last time: tells subscribers, here and at the other threads, and links.
    fn spread_news(&mut self) {
        if self.thread != FIRST {
            return;
        }
        let (news, outbox, begun) = {
            let mut state = lock(&self.shared.state);
            if !state.has_news() {
                return;
            }
            let outbox = std::mem::take(&mut state.outbox);
            (state.take_news(), outbox, state.visits.take_begun())
        };
        self.shared.begun.push(begun);
        self.shared.spread(&news);
        self.tell_subscribers(&news);
        self.tell_kernels(outbox);
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
                self.begin(Connection::Reader(Box::new(SocketReader {
                    socket,
                    reader,
                    is_blocked: false,
                })));
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
            Command::ArmPortable { id } => {
                if let Some(&slot) = self.portable.get(&id) {
                    self.arm(slot);
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
            } => self.change(connection, &add, &remove),
            Command::Report { question, reply } => {
                // Who asked may have lost patience: many who do so must not keep this thread from its readers.
                if now.mono < question.until {
                    let _ = reply.try_send(self.report(&question, now));
                }
            }
            Command::Close => self.is_closing = true,
        }
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
}
