//! The bytes of one connection on their way in and out, whatever carries them. Pure.

use std::io::{self, ErrorKind, IoSlice};

use jupyter_sse_codec::frame::{self, ToHub, ToKernel, VERSION};

use crate::flight::Flight;

/// The longest answer that is read, in bytes: a list of a hundred thousand streams.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// What is kept of the room for incoming bytes while nothing is cut, in bytes.
const KEPT_BYTES: usize = 16 * 1024;

/// What a connection introduces itself with.
pub(crate) struct Introduction {
    /// Names the link over its reconnections.
    pub(crate) link: [u8; 16],
    pub(crate) kernel: String,
    pub(crate) label: String,
}

/// See the module's text.
pub(crate) struct Wire {
    /// Bytes read, of which the frames are not whole yet.
    incoming: Vec<u8>,
    /// Frames outside the sequence, to be written between two frames of the flight.
    pub(crate) control: Vec<u8>,
    control_written: usize,
    /// The hub has welcomed this link: events may follow.
    pub(crate) is_welcome: bool,
}

impl Wire {
    /// A new connection: the `Hello` is to be written.
    pub(crate) fn new(introduction: &Introduction) -> Self {
        let Introduction {
            link,
            ref kernel,
            ref label,
        } = *introduction;
        let mut control = Vec::new();
        ToHub::Hello {
            version: VERSION,
            link,
            kernel,
            label,
            pid: std::process::id(),
        }
        .encode(&mut control);
        let (incoming, control_written, is_welcome) = (Vec::new(), 0, false);
        Self {
            incoming,
            control,
            control_written,
            is_welcome,
        }
    }

    /// Takes bytes that were read, and gives each whole frame and the outgoing control frames to `apply`.
    ///
    /// # Errors
    ///
    /// The peer speaks no frames of ours, or `apply` wants none of them.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        apply: &mut impl FnMut(ToKernel<'_>, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Self {
            incoming,
            control,
            is_welcome,
            ..
        } = self;
        incoming.extend_from_slice(bytes);
        let mut start = 0;
        while let Some((payload, consumed)) =
            frame::split(&incoming[start..], MAX_PAYLOAD_BYTES).map_err(invalid_data)?
        {
            let frame = ToKernel::decode(payload).map_err(invalid_data)?;
            let is_first = matches!(frame, ToKernel::Welcome { .. });
            if !is_first && !*is_welcome {
                return Err(invalid_data("the server did not begin with a welcome"));
            }
            apply(frame, control)?;
            *is_welcome = true;
            start += consumed;
        }
        incoming.drain(..start);
        if incoming.is_empty() {
            incoming.shrink_to(KEPT_BYTES);
        }
        Ok(())
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unwritten(&self, flight: &Flight) -> bool {
        self.control_written < self.control.len() || (self.is_welcome && flight.has_unwritten())
    }

    /// Fills `slices` with what is to be written next; the number of slices filled.
    ///
    /// Control frames go first, which the caller sees to by adding them only when no frame of the flight is cut.
    pub(crate) fn fill<'a>(&'a self, flight: &'a Flight, slices: &mut [IoSlice<'a>]) -> usize {
        let control = &self.control[self.control_written..];
        slices[0] = IoSlice::new(control);
        let mut count = usize::from(!control.is_empty());
        if self.is_welcome {
            count += flight.fill(&mut slices[count..]);
        }
        count
    }

    /// `written` bytes more are written.
    pub(crate) fn advance(&mut self, written: usize, flight: &mut Flight) {
        let of_control = written.min(self.control.len() - self.control_written);
        self.control_written += of_control;
        if self.control_written == self.control.len() {
            self.control.clear();
            self.control_written = 0;
        }
        flight.advance(written - of_control);
    }
}

/// The peer broke the rules of the link.
pub(crate) fn invalid_data(
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}
