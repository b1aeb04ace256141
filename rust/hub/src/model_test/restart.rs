//! The server restarts: another log with another epoch. Kernels and readers come back to it, and know only what they knew.

use std::sync::Mutex;

use jupyter_sse_codec::Epoch;

use super::client::{Client, Place};
use super::published::Published;
use super::world::{NAMES, World};
use crate::query::{Query, subscribe};
use crate::reader::{Reader, lock};
use crate::state::State;

impl World {
    pub(super) fn step_over_links(&mut self) {
        if !self.is_lossy && self.random.once_in(100) {
            self.restart();
        }
        for _ in 0..=self.random.below(3) {
            self.step_of_kernel();
            self.turn();
        }
    }

    /// The server goes down and comes up again, empty.
    fn restart(&mut self) {
        self.journal.count_one("restart");
        self.serial += 1;
        if self.random.once_in(2) {
            // Readers have what kernels have no receipt for, and will say again.
            for at in 0..self.clients.len() {
                self.deliver(at, usize::MAX);
            }
        }
        let options = lock(&self.state).options().clone();
        self.epoch = Epoch::from_random(u128::from(self.serial) << 32);
        self.state = Mutex::new(State::new(options, self.epoch));
        self.published = NAMES
            .map(|it| (it.to_owned(), Published::new(self.is_tight)))
            .into();
        self.shared.forget();
        self.kernels.retain(|kernel| !kernel.is_dead);
        for at in 0..self.kernels.len() {
            self.restart_link(at);
        }
        for client in &mut self.clients {
            client.reader = None;
            client.bytes.clear();
        }
        if self.random.once_in(2) {
            self.come_back_soon();
        }
    }

    /// Kernels are back before the readers.
    fn come_back_soon(&mut self) {
        for at in (0..self.kernels.len()).cycle().take(15) {
            self.carry(at);
            self.turn();
        }
        for _ in 0..self.clients.len() {
            self.go_and_come_back();
        }
    }

    /// The link reads some of what the old server wrote, or nothing, then it has lost it.
    fn restart_link(&mut self, at: usize) {
        if self.random.once_in(2) {
            self.write_down(at);
            self.obey(at);
        }
        let kernel = &mut self.kernels[at];
        kernel.hang_up();
        kernel.old_pipe = None;
        kernel.opened.clear();
        kernel.refused.clear();
        kernel.ledger.restart(kernel.link.acked_seq());
    }

    /// A reader comes back that was last told an id by a server that is no more. Returns whether it is one.
    pub(super) fn come_to_another_server(&mut self, client: &mut Client) -> bool {
        if client.last_id.is_empty() || client.id_epoch == Some(self.epoch) {
            return false;
        }
        client.forget_all();
        client.requested.clone_from(&client.last_id);
        let names: Vec<String> = client.places.keys().cloned().collect();
        let is_end = client.last_id.contains("-end-");
        for name in &names {
            let earliest = self.place_of_start(name, "earliest");
            let known = self.published[name].find_id(&client.last_id);
            let is_there = lock(&self.state).find(name).is_some();
            let place = match known {
                _ if is_end => Place::At(earliest),
                Some(place) if is_there => Place::At(place + 1),
                _ => {
                    client.owed.insert(name.clone());
                    Place::After(if is_there { earliest } else { 0 }, false)
                }
            };
            let how = match place {
                Place::At(_) if is_end => "an old end",
                Place::At(_) => "an own id of before",
                Place::After(..) => "a gap for a restart",
            };
            self.journal.count_one(how);
            client.places.insert(name.clone(), place);
        }
        let query = Query {
            request: None,
            streams: names,
            last_event_id: Some(client.last_id.clone()),
            wait: true,
            wants: client.wants,
            ..Query::default()
        };
        let subscription = subscribe(&mut lock(&self.state), query, 0).unwrap();
        client.connect(Reader::new(subscription, Vec::new(), self.now(), u64::MAX));
        true
    }
}
