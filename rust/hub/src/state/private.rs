//! Streams that are one reader's alone.

use super::{State, StreamKey};
use crate::stream::Stream;

impl State {
    /// Takes in a stream that no name leads to.
    pub(crate) fn add_private(&mut self, stream: Stream) -> StreamKey {
        let key = self.next_key;
        self.next_key += 1;
        self.streams.insert(key, stream);
        key
    }

    /// Its reader is gone.
    pub(crate) fn remove_private(&mut self, key: StreamKey) {
        if self.streams.get(&key).is_some_and(Stream::is_private)
            && let Some(stream) = self.streams.remove(&key)
        {
            self.held_bytes = self.held_bytes.saturating_sub(stream.log.bytes());
        }
    }

    /// Everything before event `n` of a stream was for one reader, who has got it.
    pub(crate) fn release(&mut self, key: StreamKey, n: u64) {
        if let Some(stream) = self.streams.get_mut(&key) {
            let before = stream.log.bytes();
            stream.log.release(n);
            self.held_bytes = (self.held_bytes + stream.log.bytes()).saturating_sub(before);
        }
    }
}
