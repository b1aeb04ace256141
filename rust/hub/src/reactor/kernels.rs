//! The reactor's side towards kernels: their links, and the processes behind links that broke.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use jupyter_sse_codec::frame::ToKernel;
use mio::net::UnixListener;

use super::Reactor;
use crate::clock::Now;
use crate::connection::{Connection, Process};
use crate::links::LinkState;
use crate::peer::{Input, Peer};
use crate::process::Watch;
use crate::query::local_subscription;
use crate::reader::lock;
use crate::shared::Command;
use crate::socket::Socket;
use crate::stream::LinkId;

/// The most links that are waited for at one time: each costs a descriptor.
const MAX_WATCHES: usize = 1024;

impl Reactor {
    pub(super) fn accept(&mut self) {
        while let Some(Ok((stream, _))) = self.listener.as_ref().map(UnixListener::accept) {
            let max_event_bytes = lock(&self.shared.state).options().max_event_bytes;
            if let Ok(peer) = Peer::new(stream, max_event_bytes)
                && self
                    .slots
                    .insert(Connection::Peer(Box::new(peer)))
                    .is_some()
            {
                lock(&self.shared.state).counters.links += 1;
            }
        }
    }

    /// Reads a link once; what more there is comes in the next turn, after the readers had theirs.
    pub(super) fn hear(&mut self, id: usize) {
        let Some(Connection::Peer(peer)) = self.slots.get_mut(id) else {
            return;
        };
        let was_linked = peer.link.is_some();
        let now = self.shared.clock.now();
        let input = peer.read(&self.shared.state, now, &mut self.scratch);
        if let Some(link) = peer.link.filter(|_| !was_linked) {
            self.link_up(link, id);
        }
        match input {
            Input::More => self.slots.call_again(id),
            Input::Drained => {}
            Input::Subscribe(query) => return self.become_reader(id, &query),
            Input::Gone => return self.drop_peer(id),
        }
        self.flush_peer(id);
    }

    /// A link has said hello, for the first time or again.
    fn link_up(&mut self, link: LinkId, id: usize) {
        if let Some(watch) = self.watches.remove(&link) {
            self.slots.remove(watch);
        }
        if let Some(old) = self.links.insert(link, id) {
            // What nobody has read there will be sent again here.
            self.close_peer(old);
        }
    }

    pub(super) fn flush_peer(&mut self, id: usize) {
        let Some(Connection::Peer(peer)) = self.slots.get_mut(id) else {
            return;
        };
        if peer.flush() {
            let is_full = peer.has_output();
            self.slots.await_room(id, is_full);
        } else {
            self.drop_peer(id);
        }
    }

    /// Sends frames to the links that they are for, as far as those are up.
    pub(super) fn tell_kernels(&mut self, outbox: Vec<(LinkId, Vec<u8>)>) {
        for (link, frame) in outbox {
            let Some(&id) = self.links.get(&link) else {
                continue;
            };
            if let Some(Connection::Peer(peer)) = self.slots.get_mut(id) {
                peer.push(&frame);
                self.flush_peer(id);
            }
        }
    }

    fn close_peer(&mut self, id: usize) -> Option<Peer> {
        let connection = self.slots.remove(id)?;
        let mut state = lock(&self.shared.state);
        state.counters.links = state.counters.links.saturating_sub(1);
        match connection {
            Connection::Peer(peer) => Some(*peer),
            _ => None,
        }
    }

    /// A link's connection broke. What its process is doing decides what becomes of its streams.
    fn drop_peer(&mut self, id: usize) {
        let Some(link) = self.close_peer(id).and_then(|peer| peer.link) else {
            return;
        };
        if self.links.get(&link) != Some(&id) {
            return;
        }
        self.links.remove(&link);
        let now = self.shared.clock.now();
        let mut state = lock(&self.shared.state);
        state.link_down(&link);
        let Some(pid) = state.links.get(&link).map(LinkState::pid) else {
            return;
        };
        drop(state);
        let watch = Watch::start(pid, now.mono).filter(|_| self.watches.len() < MAX_WATCHES);
        let process = watch.map(|watch| Connection::Process(Box::new(Process { watch, link })));
        let slot = process.and_then(|process| self.slots.insert(process));
        match slot {
            Some(slot) => {
                self.watches.insert(link, slot);
            }
            None => lock(&self.shared.state).link_gone(&link, now.unix),
        }
    }

    /// The process behind a link that is down is gone.
    pub(super) fn process_gone(&mut self, id: usize) {
        if let Some(Connection::Process(process)) = self.slots.remove(id) {
            self.watches.remove(&process.link);
            let now = self.shared.clock.now().unix;
            lock(&self.shared.state).link_gone(&process.link, now);
        }
    }

    /// Asks for those processes that do not tell.
    pub(super) fn ask_for_processes(&mut self, now: Now) {
        let is_over = |id: &usize| match self.slots.get(*id) {
            Some(Connection::Process(process)) => process.watch.is_over(now.mono),
            _ => false,
        };
        let gone: Vec<usize> = self.watches.values().copied().filter(is_over).collect();
        for id in gone {
            self.process_gone(id);
        }
    }

    /// A socket that came in by the links' door turns out to want events.
    fn become_reader(&mut self, id: usize, query: &str) {
        let Some(mut peer) = self.close_peer(id) else {
            return;
        };
        let now = self.shared.clock.now().unix;
        let made = local_subscription(&mut lock(&self.shared.state), query, now);
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
        let Ok(mut subscription) = made else {
            peer.push(&head);
            peer.flush();
            return;
        };
        let stream = UnixStream::from(peer.stream);
        if let Ok(socket) = Socket::from_owned(stream.into()) {
            lock(&self.shared.state)
                .reader_came(subscription.connection, Arc::clone(subscription.guest()));
            self.shared.tell_next(Command::Attach {
                subscription,
                socket,
                head,
            });
        } else {
            subscription.leave_visits(&mut lock(&self.shared.state));
        }
    }
}
