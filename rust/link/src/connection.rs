//! One connection to the server: its socket, and the bytes that are on their way in and out.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::path::Path;

use jupyter_sse_codec::frame::{self, ToHub, ToKernel, VERSION};
use mio::event::Event;
use mio::{Interest, Registry, Token};

use crate::flight::{Flight, MAX_SLICES};
use crate::socket::{self, OpenSocket, Socket};

/// The longest answer that is read, in bytes: a list of a hundred thousand streams.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// Bytes for one read. Receipts are small.
const READ_BYTES: usize = 16 * 1024;

/// What a connection introduces itself with.
pub(crate) struct Introduction {
    /// Names the link over its reconnections.
    pub(crate) link: [u8; 16],
    pub(crate) kernel: String,
    pub(crate) label: String,
}

/// A connection, from the dialling on.
pub(crate) struct Connection {
    socket: Socket,
    /// Bytes read, of which the frames are not whole yet.
    incoming: Vec<u8>,
    /// Frames outside the sequence, to be written between two frames of the flight.
    pub(crate) control: Vec<u8>,
    control_written: usize,
    /// The socket takes nothing until it says so.
    is_blocked: bool,
    /// The hub has welcomed this link: events may follow.
    pub(crate) is_welcome: bool,
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
        let mut control = Vec::new();
        let Introduction {
            link,
            ref kernel,
            ref label,
        } = *introduction;
        ToHub::Hello {
            version: VERSION,
            link,
            kernel,
            label,
            pid: std::process::id(),
        }
        .encode(&mut control);
        if let Err(error) =
            registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)
        {
            open_socket.clear();
            return Err(error);
        }
        // Registered edge-triggered: the first event tells that the socket can be written to.
        let (incoming, control_written, is_blocked, is_welcome) = (Vec::new(), 0, true, false);
        Ok(Self {
            socket,
            incoming,
            control,
            control_written,
            is_blocked,
            is_welcome,
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
                Ok(count) => self.incoming.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            self.decode(&mut apply)?;
        }
    }

    fn decode(
        &mut self,
        apply: &mut impl FnMut(ToKernel<'_>, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Self {
            incoming, control, ..
        } = self;
        let mut start = 0;
        while let Some((payload, consumed)) =
            frame::split(&incoming[start..], MAX_PAYLOAD_BYTES).map_err(invalid_data)?
        {
            apply(ToKernel::decode(payload).map_err(invalid_data)?, control)?;
            start += consumed;
        }
        incoming.drain(..start);
        if incoming.is_empty() {
            incoming.shrink_to(READ_BYTES);
        }
        Ok(())
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unwritten(&self, flight: &Flight) -> bool {
        self.control_written < self.control.len() || (self.is_welcome && flight.has_unwritten())
    }

    /// Writes what waits, all of it in as few calls as the socket allows, until nothing waits or it is blocked.
    ///
    /// Control frames go first, which the caller sees to by adding them only when no frame of the flight is cut.
    ///
    /// # Errors
    ///
    /// The connection is at its end.
    pub(crate) fn write(&mut self, flight: &mut Flight) -> io::Result<()> {
        while !self.is_blocked && self.has_unwritten(flight) {
            let control_left = self.control.len() - self.control_written;
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            slices[0] = IoSlice::new(&self.control[self.control_written..]);
            let mut count = usize::from(control_left > 0);
            if self.is_welcome {
                count += flight.fill(&mut slices[count..]);
            }
            match socket::write(&self.socket, &slices[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let of_control = written.min(control_left);
                    self.advance_control(of_control);
                    flight.advance(written - of_control);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance_control(&mut self, written: usize) {
        self.control_written += written;
        if self.control_written == self.control.len() {
            self.control.clear();
            self.control_written = 0;
        }
    }
}

/// The peer broke the rules of the link.
pub(crate) fn invalid_data(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
