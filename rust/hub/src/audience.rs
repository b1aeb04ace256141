//! Who is to be woken when a stream has news. Each thread of the hub has its own.

use std::collections::HashMap;

use crate::number_map::NumberMap;
use crate::state::StreamKey;
use crate::subscription::Subscription;

/// Names one connection of the reactor.
pub(crate) type ReaderId = usize;

#[derive(Debug, Default)]
struct Readers {
    /// All of them.
    all: Vec<ReaderId>,
    /// Those who also hear of states.
    listeners: Vec<ReaderId>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    streams: NumberMap<StreamKey, Readers>,
    waiting: HashMap<String, Vec<ReaderId>>,
}

impl Audience {
    /// Enters a reader under all streams that it reads, or waits for. Returns the streams that are new to it.
    pub(crate) fn enter(&mut self, id: ReaderId, subscription: &Subscription) -> Vec<StreamKey> {
        let mut entered = Vec::new();
        for key in subscription.keys() {
            let readers = self.streams.entry(key).or_default();
            if !readers.all.contains(&id) {
                readers.all.push(id);
                if subscription.hears_states() {
                    readers.listeners.push(id);
                }
                entered.push(key);
            }
        }
        for name in subscription.missing() {
            let waiting = self.waiting.entry(name.to_owned()).or_default();
            if !waiting.contains(&id) {
                waiting.push(id);
            }
        }
        entered
    }

    /// Takes a reader out. Returns the streams that it was entered under.
    pub(crate) fn leave(&mut self, id: ReaderId, subscription: &Subscription) -> Vec<StreamKey> {
        for name in subscription.missing() {
            if let Some(waiting) = self.waiting.get_mut(name) {
                waiting.retain(|&other| other != id);
                if waiting.is_empty() {
                    self.waiting.remove(name);
                }
            }
        }
        let keys = subscription.keys();
        keys.filter(|&key| self.leave_stream(id, key)).collect()
    }

    /// Returns whether it was there.
    fn leave_stream(&mut self, id: ReaderId, key: StreamKey) -> bool {
        let Some(readers) = self.streams.get_mut(&key) else {
            return false;
        };
        let before = readers.all.len();
        readers.all.retain(|&other| other != id);
        readers.listeners.retain(|&other| other != id);
        let is_left = readers.all.len() < before;
        if readers.all.is_empty() {
            self.streams.remove(&key);
        }
        is_left
    }

    /// Who reads a stream.
    pub(crate) fn readers(&self, key: StreamKey) -> &[ReaderId] {
        self.streams.get(&key).map_or(&[], |readers| &readers.all)
    }

    /// Who hears of its state.
    pub(crate) fn listeners(&self, key: StreamKey) -> &[ReaderId] {
        self.streams
            .get(&key)
            .map_or(&[], |readers| &readers.listeners)
    }

    /// The names that somebody waits for and that are meant.
    pub(crate) fn waiting_for(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let names = self.waiting.keys().filter(|name| is_meant(name));
        names.cloned().collect()
    }

    /// Those who waited for a name that exists now.
    pub(crate) fn take_waiting(&mut self, name: &str) -> Vec<ReaderId> {
        self.waiting.remove(name).unwrap_or_default()
    }

    /// Those who read a stream that is gone.
    pub(crate) fn take_stream(&mut self, key: StreamKey) -> Vec<ReaderId> {
        self.streams
            .remove(&key)
            .map(|readers| readers.all)
            .unwrap_or_default()
    }
}
