//! A link without thread, socket and clock, for simulations: what carries its bytes, when, and how far, is said by others.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::ToKernel;
use jupyter_sse_codec::{EndReason, RunKind, encode_body, frame};

use crate::command::{Command, Commands};
use crate::error::{OpenError, SendError};
use crate::flight::{Flight, MAX_SLICES};
use crate::link::Sent;
use crate::queue::Queue;
use crate::shared::State;
use crate::wire::{Introduction, Wire};

/// See the module's text. The parts are those of [`crate::Link`] and of its thread.
pub struct SimulatedLink {
    introduction: Introduction,
    state: State,
    commands: Commands,
    flight: Flight,
    /// The present connection.
    wire: Option<Wire>,
    start: Instant,
    overflow_after: Duration,
}

impl SimulatedLink {
    /// A link that is not connected, with a bound on what is not confirmed, in bytes.
    pub fn new(
        link: [u8; 16],
        kernel: &str,
        max_unsent_bytes: usize,
        overflow_after: Duration,
    ) -> Self {
        let (kernel, label) = (kernel.to_owned(), "notebook".to_owned());
        let introduction = Introduction {
            link,
            kernel,
            label,
        };
        let state = State::new(Queue::new(max_unsent_bytes));
        let flight = Flight::new(state.queue.chunk_bytes());
        let (commands, wire, start) = (Commands::new(), None, Instant::now());
        Self {
            introduction,
            state,
            commands,
            flight,
            wire,
            start,
            overflow_after,
        }
    }

    /// As [`crate::Link::open`], without waiting for the answer: a refusal comes as a command.
    ///
    /// # Errors
    ///
    /// Too much waits to be sent.
    pub fn open(&mut self, name: &str, kind: RunKind, options: &str) -> Result<u32, OpenError> {
        let key = self.state.open(name, kind, options)?;
        self.state.keys.let_go(key);
        Ok(key)
    }

    /// As [`crate::Link::send`], at a time in milliseconds.
    ///
    /// # Errors
    ///
    /// The stream is not open.
    pub fn send(
        &mut self,
        key: u32,
        event: &str,
        id: &str,
        data: &str,
        now: u64,
    ) -> Result<Sent, SendError> {
        let body = |out: &mut Vec<u8>| encode_body(out, Some(data), None, None);
        let write = |seq, out: &mut Vec<u8>| {
            frame::encode_event(out, seq, key, event.as_bytes(), id.as_bytes(), body);
        };
        let time = self.start + Duration::from_millis(now);
        self.state
            .send(&self.commands, self.overflow_after, || time, key, write)
    }

    /// As [`crate::Link::end`].
    ///
    /// # Errors
    ///
    /// The stream is not open.
    pub fn end(&mut self, key: u32, reason: EndReason, error: &str) -> Result<(), SendError> {
        self.state.end(key, reason, error)
    }

    /// A connection is made.
    pub fn connect(&mut self) {
        self.wire = Some(Wire::new(&self.introduction));
    }

    /// The connection broke, or could not be made.
    pub fn disconnect(&mut self) {
        self.wire = None;
        let error = io::ErrorKind::ConnectionReset.into();
        self.state.unlink(&self.commands, &error);
    }

    /// Whether there is a connection, welcomed or not.
    pub fn is_connected(&self) -> bool {
        self.wire.is_some()
    }

    /// Takes bytes of the hub.
    ///
    /// # Errors
    ///
    /// They are no frames, or not such as this side expects.
    pub fn receive(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self {
            state,
            commands,
            flight,
            wire: Some(wire),
            ..
        } = self
        else {
            return Ok(());
        };
        let mut acked_seq = 0;
        wire.take(bytes, &mut |frame, control| {
            match frame {
                ToKernel::Welcome { .. } => state.welcome(commands, flight, frame, control)?,
                ToKernel::Ack { seq } => acked_seq = seq,
                _ => state.hear(commands, frame),
            }
            Ok(())
        })?;
        if acked_seq > 0 {
            state.acknowledge(flight, acked_seq);
        }
        Ok(())
    }

    /// Writes what waits to `out`, as far as a socket takes it that has room for so many bytes.
    pub fn write(&mut self, mut room: usize, out: &mut Vec<u8>) {
        self.write_loaded(&mut room, out);
        if let Some(wire) = self.wire.as_mut().filter(|it| it.is_welcome && room > 0) {
            self.state.load(wire, &mut self.flight);
            self.write_loaded(&mut room, out);
        }
    }

    fn write_loaded(&mut self, room: &mut usize, out: &mut Vec<u8>) {
        let Self {
            flight,
            wire: Some(wire),
            ..
        } = self
        else {
            return;
        };
        while *room > 0 && wire.has_unwritten(flight) {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = wire.fill(flight, &mut slices);
            let before = *room;
            for slice in &slices[..count] {
                let taken = slice.len().min(*room);
                out.extend_from_slice(&slice[..taken]);
                *room -= taken;
            }
            wire.advance(before - *room, flight);
        }
    }

    /// What the kernel is told next, if anything.
    pub fn next_command(&self) -> Option<Command> {
        self.commands.next(Some(Duration::ZERO))
    }

    /// The hub has confirmed everything.
    pub fn is_flushed(&self) -> bool {
        self.state.queue.acked_seq() == self.state.queue.last_seq()
    }

    /// Everything up to this place of the link's sequence is confirmed.
    pub fn acked_seq(&self) -> u64 {
        self.state.queue.acked_seq()
    }

    /// The newest place of the link's sequence.
    pub fn last_seq(&self) -> u64 {
        self.state.queue.last_seq()
    }

    /// Bytes of frames that are not confirmed, sent or not.
    pub fn unconfirmed_bytes(&self) -> usize {
        self.state.queue.used_bytes()
    }

    /// Events that were dropped because no server took them.
    pub fn lost_events(&self) -> u64 {
        self.state.lost_events
    }
}
