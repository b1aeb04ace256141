//! One connection to the server: its socket around its [`Wire`].

use std::io::{self, ErrorKind, IoSlice, Read};
use std::path::Path;

use jupyter_sse_codec::frame::ToKernel;
use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::flight::{Flight, MAX_SLICES};
use crate::socket::{self, OpenSocket, Socket};
use crate::wire::{Introduction, Wire};

/// Bytes for one read. Receipts are small.
const READ_BYTES: usize = 16 * 1024;

/// A connection, from the dialling on.
pub(crate) struct Connection {
    socket: Socket,
    pub(crate) wire: Wire,
    /// The socket takes nothing until it says so.
    is_blocked: bool,
}

impl Connection {
    /// Dials the server and queues the `Hello`. Does not wait.
    ///
    /// # Errors
    ///
    /// Whatever the system says, at once: nothing listens there, or it has too many callers.
    pub(crate) fn dial(
        path: &Path,
        introduction: &Introduction,
        registry: &Registry,
        token: Token,
        open_socket: &OpenSocket,
    ) -> io::Result<Self> {
        let mut socket = socket::dial(path)?;
        open_socket.set(&socket);
        if let Err(error) =
            registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)
        {
            open_socket.clear();
            return Err(error);
        }
        // Registered edge-triggered: the first event tells that the socket can be written to.
        Ok(Self {
            socket,
            wire: Wire::new(introduction),
            is_blocked: true,
        })
    }

    /// Closes the socket. Closing alone would not end its registration while a forked child has a copy.
    pub(crate) fn hang_up(mut self, registry: &Registry) {
        // It fails only for what is not registered.
        let _ = registry.deregister(&mut self.socket);
    }

    /// The socket has become ready.
    ///
    /// # Errors
    ///
    /// What went wrong with the dialling, where that is known only now.
    pub(crate) fn note(&mut self, event: &Event) -> io::Result<()> {
        if event.is_writable() {
            self.is_blocked = false;
            self.socket.take_error()?.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Whether the socket takes nothing at the moment.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Reads what there is, and gives each whole frame and the outgoing control frames to `apply`.
    ///
    /// # Errors
    ///
    /// The connection is at its end, or the peer speaks no frames of ours.
    pub(crate) fn receive(
        &mut self,
        mut apply: impl FnMut(ToKernel<'_>, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut scratch = [0; READ_BYTES];
        loop {
            let outcome = self.socket.read(&mut scratch);
            match outcome {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server closed the link",
                    ));
                }
                Ok(count) => self.wire.take(&scratch[..count], &mut apply)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what waits, all of it in as few calls as the socket allows, until nothing waits or it is blocked.
    ///
    /// # Errors
    ///
    /// The connection is at its end.
    pub(crate) fn write(&mut self, flight: &mut Flight) -> io::Result<()> {
        while !self.is_blocked && self.wire.has_unwritten(flight) {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.wire.fill(flight, &mut slices);
            match socket::write(&self.socket, &slices[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.wire.advance(written, flight),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
