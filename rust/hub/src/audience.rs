//! Who is to be woken when a stream has news. Belongs to the reactor's thread.

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
    /// Those who only pass by.
    passing: Vec<ReaderId>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    streams: NumberMap<StreamKey, Readers>,
    waiting: HashMap<String, Vec<ReaderId>>,
}

impl Audience {
    /// Enters a reader under all streams that it reads, or waits for.
    pub(crate) fn enter(&mut self, id: ReaderId, subscription: &Subscription) {
        for key in subscription.keys() {
            let readers = self.streams.entry(key).or_default();
            if !readers.all.contains(&id) {
                readers.all.push(id);
                if subscription.hears_states() {
                    readers.listeners.push(id);
                }
                if subscription.is_passing() {
                    readers.passing.push(id);
                }
            }
        }
        for name in subscription.missing() {
            let waiting = self.waiting.entry(name.to_owned()).or_default();
            if !waiting.contains(&id) {
                waiting.push(id);
            }
        }
    }

    /// Takes a reader out.
    pub(crate) fn leave(&mut self, id: ReaderId, subscription: &Subscription) {
        for key in subscription.keys() {
            self.leave_stream(id, key);
        }
        for name in subscription.missing() {
            if let Some(waiting) = self.waiting.get_mut(name) {
                waiting.retain(|&other| other != id);
                if waiting.is_empty() {
                    self.waiting.remove(name);
                }
            }
        }
    }

    fn leave_stream(&mut self, id: ReaderId, key: StreamKey) {
        if let Some(readers) = self.streams.get_mut(&key) {
            readers.all.retain(|&other| other != id);
            readers.listeners.retain(|&other| other != id);
            readers.passing.retain(|&other| other != id);
            if readers.all.is_empty() {
                self.streams.remove(&key);
            }
        }
    }

    /// Who reads a stream.
    pub(crate) fn readers(&self, key: StreamKey) -> &[ReaderId] {
        self.streams.get(&key).map_or(&[], |readers| &readers.all)
    }

    /// How many read a stream, without those who only pass by.
    pub(crate) fn count(&self, key: StreamKey) -> usize {
        self.streams
            .get(&key)
            .map_or(0, |readers| readers.all.len() - readers.passing.len())
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
