//! The portable path: subscriptions whose socket cannot be given away (TLS in Jupyter) are drained by somebody else's event loop.
//!
//! The reactor does for them all it does for its own but the writing. It marks a reader as ready and makes `signal` readable; the other
//! loop then drains all ready readers in one pass, and readers at the same place get the same bytes.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use crate::clock::Now;
use crate::reader::{Next, Reader, SharedBatch, lock};
use crate::report::Motion;
use crate::signal::Signal;
use crate::state::State;

/// One piece for one reader.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Whose.
    pub id: u64,
    /// What to write; shared where several readers get the same.
    pub bytes: Arc<[u8]>,
    /// Whether to close afterwards.
    pub closes: bool,
}

#[derive(Debug)]
struct Entry {
    reader: Arc<Mutex<Reader>>,
    /// A piece is being made, or out and not yet reported as written: there is never more than one.
    is_busy: bool,
    is_ready: bool,
    /// When it last took something, or was given its piece (of `Now::mono`).
    taken_at: u64,
    /// When it was given its piece (of `Now::mono`).
    given_at: u64,
}

type Ready = (u64, Arc<Mutex<Reader>>);

#[derive(Debug, Default)]
struct Readers {
    all: HashMap<u64, Entry>,
    ready: Vec<u64>,
    /// Those whose connection is given up, pieces or not.
    over: Vec<u64>,
    is_signalled: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Portable {
    readers: Mutex<Readers>,
    signal: Signal,
}

impl Portable {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            readers: Mutex::default(),
            signal: Signal::new()?,
        })
    }

    /// What becomes readable when [`Portable::drain`] has something.
    #[cfg(unix)]
    pub(crate) fn fileno(&self) -> i32 {
        self.signal.fileno()
    }

    pub(crate) fn add(&self, id: u64, reader: Arc<Mutex<Reader>>) {
        lock(&self.readers).all.insert(
            id,
            Entry {
                reader,
                is_busy: false,
                is_ready: false,
                taken_at: 0,
                given_at: 0,
            },
        );
        self.mark_ready(id);
    }

    pub(crate) fn remove(&self, id: u64) {
        lock(&self.readers).all.remove(&id);
    }

    /// There is something for this reader; it is drained when its last piece is written.
    pub(crate) fn mark_ready(&self, id: u64) {
        let mut readers = lock(&self.readers);
        let Some(entry) = readers.all.get_mut(&id) else {
            return;
        };
        if entry.is_ready {
            return;
        }
        entry.is_ready = true;
        if !entry.is_busy {
            readers.ready.push(id);
            self.signal(&mut readers);
        }
    }

    /// The piece that went out to this reader is written.
    pub(crate) fn drained(&self, id: u64) {
        let mut readers = lock(&self.readers);
        let Some(entry) = readers.all.get_mut(&id) else {
            return;
        };
        if !entry.is_busy {
            return;
        }
        entry.is_busy = false;
        // There may be more; the next pass finds out.
        entry.is_ready = true;
        readers.ready.push(id);
        self.signal(&mut readers);
    }

    /// The server ends: see [`Reader::leave`]. Nobody waits to be told by the hub's thread of what was appended.
    pub(crate) fn leave(&self) {
        let readers: Vec<Ready> = {
            let readers = lock(&self.readers);
            let all = readers.all.iter();
            all.map(|(&id, entry)| (id, Arc::clone(&entry.reader)))
                .collect()
        };
        for (id, reader) in readers {
            lock(&reader).leave();
            self.mark_ready(id);
        }
    }

    /// This reader has taken some of its piece.
    pub(crate) fn note_taken(&self, id: u64, now: Now) {
        if let Some(entry) = lock(&self.readers).all.get_mut(&id) {
            entry.taken_at = now.mono;
        }
    }

    /// Whether a reader takes its piece.
    pub(crate) fn motion(&self, id: u64, now: Now) -> Motion {
        let readers = lock(&self.readers);
        let Some(entry) = readers.all.get(&id).filter(|entry| entry.is_busy) else {
            return Motion::Moving;
        };
        let since = |time: u64| now.mono.saturating_sub(time);
        Motion::of(since(entry.given_at), since(entry.taken_at))
    }

    /// Gives a reader up that has taken nothing of its piece for `patience` milliseconds. Returns whether it is one.
    pub(crate) fn give_up_stalled(&self, id: u64, patience: u64, now: Now) -> bool {
        let mut readers = lock(&self.readers);
        let is_stalled = readers.all.get(&id).is_some_and(|entry| {
            entry.is_busy && now.mono >= entry.taken_at.saturating_add(patience)
        });
        if is_stalled {
            readers.all.remove(&id);
            readers.over.push(id);
            self.signal(&mut readers);
        }
        is_stalled
    }

    /// One pass over the ready readers. Says also who rests and has a timer that may have changed.
    pub(crate) fn drain(&self, state: &Mutex<State>, now: Now) -> (Vec<Piece>, Vec<u64>) {
        let (ready, over) = self.take_ready(now);
        let mut shared = SharedBatch::default();
        let mut shared_bytes: (u64, Arc<[u8]>) = (0, Arc::default());
        let mut pieces = Vec::with_capacity(ready.len());
        pieces.extend(over.into_iter().map(|id| Piece {
            id,
            bytes: Arc::default(),
            closes: true,
        }));
        let mut resting = Vec::new();
        for (id, reader) in ready {
            let mut reader = lock(&reader);
            let next = reader.next(state, now, &mut shared);
            let bytes: Arc<[u8]> = match next {
                Next::Rest => {
                    if reader.subscription.is_conflating() {
                        resting.push(id);
                    }
                    drop(reader);
                    self.rest(id);
                    continue;
                }
                Next::Close => Arc::default(),
                Next::Pending => {
                    let bytes: Arc<[u8]> = reader.pending().into();
                    reader.consume(bytes.len(), now);
                    bytes
                }
                Next::Batch => {
                    if shared_bytes.0 != shared.serial() {
                        shared_bytes = (shared.serial(), Arc::from(shared.batch.bytes.as_slice()));
                    }
                    let bytes = Arc::clone(&shared_bytes.1);
                    reader.consume_batch(&shared.batch, bytes.len(), now);
                    let count = shared.batch.ends.len() as u64;
                    reader.subscription.give_away(count);
                    bytes
                }
            };
            let closes = next == Next::Close || reader.is_done();
            let written = reader.subscription.take_written();
            let mut state = lock(state);
            state.counters.deliveries += written;
            state.counters.delivered_bytes += bytes.len() as u64;
            drop(state);
            pieces.push(Piece { id, bytes, closes });
        }
        (pieces, resting)
    }

    /// Those who are to get something, and those who are given up.
    fn take_ready(&self, now: Now) -> (Vec<Ready>, Vec<u64>) {
        self.signal.take_down();
        let mut readers = lock(&self.readers);
        readers.is_signalled = false;
        let ids = std::mem::take(&mut readers.ready);
        let mut ready = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(entry) = readers.all.get_mut(&id).filter(|entry| !entry.is_busy) {
                (entry.is_ready, entry.is_busy) = (false, true);
                (entry.taken_at, entry.given_at) = (now.mono, now.mono);
                ready.push((id, Arc::clone(&entry.reader)));
            }
        }
        (ready, std::mem::take(&mut readers.over))
    }

    /// There was nothing for this reader, unless something came while it was looked for.
    fn rest(&self, id: u64) {
        let mut readers = lock(&self.readers);
        let Some(entry) = readers.all.get_mut(&id) else {
            return;
        };
        entry.is_busy = false;
        if entry.is_ready {
            readers.ready.push(id);
            self.signal(&mut readers);
        }
    }

    fn signal(&self, readers: &mut Readers) {
        if !readers.is_signalled {
            readers.is_signalled = true;
            self.signal.raise();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::{Arc, Mutex};

    use jupyter_sse_codec::{Epoch, RunKind};

    use super::Portable;
    use crate::clock::Now;
    use crate::log::Incoming;
    use crate::options::HubOptions;
    use crate::reader::{Reader, lock};
    use crate::start::Start;
    use crate::state::State;
    use crate::subscription::{Subscription, Wants};

    #[test]
    fn at_the_end_readers_get_what_nobody_has_told_them_of() {
        let mut state = State::new(HubOptions::default(), Epoch::from_random(1));
        let key = state.start_run("a", RunKind::Post, None, 0).unwrap();
        let wants = Wants {
            single: true,
            ..Wants::default()
        };
        let mut subscription = Subscription::new(wants, Arc::default());
        subscription.add(&state, "a", &Start::Earliest);
        let state = Mutex::new(state);
        let reader = Reader::new(subscription, Vec::new(), Now::default(), u64::MAX);
        let portable = Portable::new().unwrap();
        portable.add(7, Arc::new(Mutex::new(reader)));
        assert!(portable.drain(&state, Now::default()).0.is_empty());
        let incoming = Incoming {
            event: b"",
            id: b"",
            body: b"data: 1\n\n",
        };
        lock(&state).append(key, 0, incoming);
        assert!(portable.drain(&state, Now::default()).0.is_empty());
        portable.leave();
        let (pieces, _) = portable.drain(&state, Now::default());
        let text = String::from_utf8_lossy(&pieces[0].bytes);
        assert!(
            text.contains("data: 1\n\nretry: ") && pieces[0].closes,
            "{text}"
        );
    }
}
