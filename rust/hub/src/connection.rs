//! What the reactor holds for one token: a subscriber, a link, or a process that it watches.

use std::io;
use std::sync::{Arc, Mutex};

use crate::clock::Now;
use crate::peer::Peer;
use crate::process::Watch;
use crate::reader::{Next, Reader, SharedBatch, lock};
use crate::report::Motion;
use crate::roster::ConnectionName;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::state::{State, StreamKey};
use crate::stream::LinkId;

/// How much one subscriber is written before the others have their turn, in bytes.
const TURN_BYTES: usize = 1 << 20;

/// See the module's text.
#[derive(Debug)]
pub(crate) enum Connection {
    /// A subscriber on a socket of its own.
    Reader(Box<SocketReader>),
    /// A subscriber that another loop writes to.
    Portable {
        /// Its name in `Portable`.
        id: u64,
        /// Shared with the other loop.
        reader: Arc<Mutex<Reader>>,
    },
    /// A link.
    Peer(Box<Peer>),
    /// A process whose link broke.
    Process(Box<Process>),
}

/// See [`Connection::Process`].
#[derive(Debug)]
pub(crate) struct Process {
    /// Says when it is gone.
    pub(crate) watch: Watch,
    pub(crate) link: LinkId,
}

impl Connection {
    /// The public name of a subscriber's connection. `None`: it is none.
    pub(crate) fn reader_name(&self) -> Option<ConnectionName> {
        match self {
            Self::Reader(reader) => Some(reader.reader.subscription.connection),
            Self::Portable { reader, .. } => Some(lock(reader).subscription.connection),
            Self::Peer(_) | Self::Process(_) => None,
        }
    }

    /// What is a subscriber's alone.
    pub(crate) fn visits(&self) -> Vec<StreamKey> {
        match self {
            Self::Reader(reader) => reader.reader.subscription.visits().to_vec(),
            Self::Portable { reader, .. } => lock(reader).subscription.visits().to_vec(),
            Self::Peer(_) | Self::Process { .. } => Vec::new(),
        }
    }

    /// Runs with a subscriber's reader and the state, in the one order of locks there is: the other loop may hold the reader and want
    /// the state. `None`: it is no subscriber.
    pub(crate) fn with_reader<R>(
        &mut self,
        state: &Mutex<State>,
        action: impl FnOnce(&mut Reader, &mut State) -> R,
    ) -> Option<R> {
        match self {
            Self::Reader(reader) => Some(action(&mut reader.reader, &mut lock(state))),
            Self::Portable { reader, .. } => {
                let mut reader = lock(reader);
                Some(action(&mut reader, &mut lock(state)))
            }
            Self::Peer(_) | Self::Process(_) => None,
        }
    }
}

impl SocketReader {
    /// Whether it takes what there is for it.
    pub(crate) fn motion(&self, now: Now) -> Motion {
        let taken = self.reader.stuck_for(now);
        // What the system takes is gone at once: whoever waits does so since it last took something.
        match Motion::of(taken, taken) {
            Motion::Moving if self.is_blocked => Motion::Slow,
            motion => motion,
        }
    }
}

/// How serving a subscriber went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// It has all there is.
    Rests,
    /// Its socket takes no more for now.
    Blocked,
    /// It has had its turn and wants more.
    WantsMore,
    /// It is to be closed.
    Over,
}

/// A subscriber and its socket.
#[derive(Debug)]
pub(crate) struct SocketReader {
    pub(crate) socket: Socket,
    pub(crate) reader: Reader,
    pub(crate) is_blocked: bool,
}

impl SocketReader {
    /// Writes what there is for this subscriber, everything pending in one call.
    pub(crate) fn serve(&mut self, shared: &Shared, batch: &mut SharedBatch) -> Served {
        let (mut given, now) = (0, shared.clock.now());
        let served = loop {
            if given >= TURN_BYTES {
                break Served::WantsMore;
            }
            let written = match self.reader.next(&shared.state, now, batch) {
                Next::Rest => break Served::Rests,
                Next::Close => break Served::Over,
                Next::Pending => self.write_pending(now),
                Next::Batch => match self.socket.write(&batch.batch.bytes) {
                    Ok(Some(count)) => {
                        self.reader.consume_batch(&batch.batch, count, now);
                        Ok(Some(count))
                    }
                    other => other,
                },
            };
            match written {
                Ok(Some(count)) => given += count,
                Ok(None) => {
                    self.is_blocked = true;
                    self.reader.note_stuck(self.socket.queued(), now);
                    break Served::Blocked;
                }
                Err(_) => break Served::Over,
            }
        };
        if given > 0 {
            let mut state = lock(&shared.state);
            state.counters.deliveries += self.reader.subscription.take_written();
            state.counters.delivered_bytes += given as u64;
        }
        served
    }

    /// Whether it has taken nothing for `patience` milliseconds of what waits for it.
    pub(crate) fn is_stalled(&mut self, patience: u64, now: Now) -> bool {
        self.reader.is_stalled(patience, self.socket.queued(), now)
    }

    fn write_pending(&mut self, now: Now) -> io::Result<Option<usize>> {
        let written = self.socket.write(self.reader.pending())?;
        if let Some(count) = written {
            self.reader.consume(count, now);
        }
        Ok(written)
    }
}
