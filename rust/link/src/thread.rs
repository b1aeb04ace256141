//! The link thread: it alone touches the socket.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::ToKernel;
use mio::{Events, Poll, Token};

use crate::connection::Connection;
use crate::flight::Flight;
use crate::options::LinkOptions;
use crate::redial::Redial;
use crate::shared::Shared;
use crate::wire::{Introduction, invalid_data};

pub(crate) const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);

/// How long the thread rests, while events come thick, before it looks for more and goes to sleep.
///
/// Waking it costs the sender a system call, several microseconds where the other processor sleeps too. Measured with
/// an event every 100 µs: `send` takes 12 µs without this rest and 0.1 to 0.4 µs with it.
const LINGER: Duration = Duration::from_micros(100);

/// Events come thick when less than this lies between two writes. Others are not worth a rest.
const THICK: Duration = Duration::from_micros(300);

/// Everything the thread owns.
pub(crate) struct LinkThread {
    shared: Arc<Shared>,
    poll: Poll,
    path: PathBuf,
    introduction: Introduction,
    handshake_timeout: Duration,
    connection: Option<Connection>,
    flight: Flight,
    redial: Redial,
    last_write: Instant,
    /// Events come thick, and the thread has not rested since the last.
    is_rest_due: bool,
}

impl LinkThread {
    pub(crate) fn new(
        shared: Arc<Shared>,
        poll: Poll,
        link: [u8; 16],
        options: LinkOptions,
    ) -> Self {
        let LinkOptions {
            path,
            kernel,
            label,
            redial,
            handshake_timeout,
            ..
        } = options;
        let flight = Flight::new(shared.lock().queue.chunk_bytes());
        let introduction = Introduction {
            link,
            kernel,
            label,
        };
        let redial = Redial::new(redial);
        let last_write = Instant::now();
        Self {
            shared,
            poll,
            path,
            introduction,
            handshake_timeout,
            connection: None,
            flight,
            redial,
            last_write,
            is_rest_due: false,
        }
    }

    /// Serves the link until it is stopped.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(8);
        let mut timeout = Some(Duration::ZERO);
        while !self.shared.is_stopping.load(Ordering::Acquire) {
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            timeout = self.turn(&events);
        }
    }

    /// Does what there is to do, and returns how long to wait for the next event.
    fn turn(&mut self, events: &Events) -> Option<Duration> {
        if let Err(error) = self.receive(events) {
            self.disconnect(&error);
        }
        if self.connection.is_none() {
            let wait = self.redial.time_left();
            if !wait.is_zero() {
                return Some(wait);
            }
            self.dial();
        }
        self.send().unwrap_or_else(|error| {
            self.disconnect(&error);
            Some(Duration::ZERO)
        })
    }

    fn dial(&mut self) {
        self.redial.begin(self.handshake_timeout);
        let Self {
            path,
            introduction,
            shared,
            poll,
            ..
        } = self;
        match Connection::dial(path, introduction, poll.registry(), SOCKET, &shared.socket) {
            Ok(connection) => self.connection = Some(connection),
            Err(error) => self.disconnect(&error),
        }
    }

    /// Gives the connection up, if there is one; another will be tried.
    fn disconnect(&mut self, error: &io::Error) {
        self.redial.back_off();
        self.hang_up();
        let mut state = self.shared.lock();
        state.unlink(&self.shared.commands, error);
        self.shared.announce(&state);
    }

    fn hang_up(&mut self) {
        self.shared.socket.clear();
        if let Some(connection) = self.connection.take() {
            connection.hang_up(self.poll.registry());
        }
    }

    /// Reads what has come, and does what it says.
    fn receive(&mut self, events: &Events) -> io::Result<()> {
        let Self {
            connection: Some(connection),
            shared,
            flight,
            redial,
            ..
        } = self
        else {
            return Ok(());
        };
        let mut is_readable = false;
        for event in events.iter().filter(|event| event.token() == SOCKET) {
            connection.note(event)?;
            is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        }
        if !is_readable {
            return Ok(());
        }
        let mut acked_seq = 0;
        let outcome = connection.receive(|frame, control| {
            match frame {
                ToKernel::Welcome { server, .. } => {
                    let mut state = shared.lock();
                    state.welcome(&shared.commands, flight, frame, control)?;
                    shared.meet(server);
                    shared.announce(&state);
                    redial.succeed();
                }
                ToKernel::Ack { seq } => acked_seq = seq,
                _ => {
                    let mut state = shared.lock();
                    state.hear(&shared.commands, frame);
                    shared.announce(&state);
                }
            }
            Ok(())
        });
        if acked_seq > 0 {
            let mut state = shared.lock();
            if state.acknowledge(flight, acked_seq) {
                shared.announce(&state);
                redial.progress();
            }
        }
        let is_welcome = connection.wire.is_welcome;
        outcome.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof if !is_welcome => invalid_data(
                "the server hung up without a welcome: have kernel and server the same jupyter_sse and the same user?",
            ),
            _ => error,
        })
    }

    /// Writes everything that is queued, and returns how long to wait for the next event.
    fn send(&mut self) -> io::Result<Option<Duration>> {
        let Some(connection) = &mut self.connection else {
            return Ok(Some(Duration::ZERO));
        };
        connection.write(&mut self.flight)?;
        if !connection.wire.is_welcome {
            let wait = self.redial.time_left();
            return if wait.is_zero() {
                Err(io::ErrorKind::TimedOut.into())
            } else {
                Ok(Some(wait))
            };
        }
        if connection.is_blocked() {
            return Ok(None);
        }
        // Nothing is cut here, so requests may go between: they overtake a backlog, but no frame.
        let mut state = self.shared.lock();
        state.load(&mut connection.wire, &mut self.flight);
        if connection.wire.has_unwritten(&self.flight) {
            drop(state);
            let last_write = std::mem::replace(&mut self.last_write, Instant::now());
            self.is_rest_due = self.last_write - last_write < THICK;
            connection.write(&mut self.flight)?;
            let wait = (!connection.is_blocked()).then_some(Duration::ZERO);
            return Ok(wait);
        }
        // Who waits for a receipt sends nothing meanwhile, and wants it soon.
        if std::mem::take(&mut self.is_rest_due) && !state.is_awaited() {
            drop(state);
            thread::sleep(LINGER);
            return Ok(Some(Duration::ZERO));
        }
        // What is left, if anything, is beyond the window: a receipt will wake the thread for it.
        state.wake_wanted = state.queue.is_taken();
        Ok(None)
    }
}

impl Drop for LinkThread {
    /// However the thread ends, nobody goes on waiting for it.
    fn drop(&mut self) {
        self.hang_up();
        self.shared.finish();
    }
}
