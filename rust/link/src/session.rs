//! What the kernel's calls and the hub's frames do to a link: pure. Others bring the bytes and the time.

use std::io;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{
    EVENT_OVERHEAD_BYTES, HEADER_BYTES, ToHub, ToKernel, VERSION, event_cost,
};
use jupyter_sse_codec::{EndReason, RunKind};

use crate::command::{Command, Commands};
use crate::error::{OpenError, SendError};
use crate::flight::Flight;
use crate::keys::Refusal;
use crate::link::Sent;
use crate::queue::Full;
use crate::shared::State;
use crate::wire::{Wire, invalid_data};

/// About how many bytes are taken from the queue before receipts are looked at again.
const TAKE_BYTES: usize = 256 * 1024;

/// What the event in a frame of so many bytes costs of a reader's credit.
pub(crate) fn event_bytes_cost(frame_bytes: usize) -> u64 {
    event_cost(
        0,
        0,
        frame_bytes.saturating_sub(HEADER_BYTES + EVENT_OVERHEAD_BYTES),
    )
}

impl State {
    /// Opens a stream; the key that names it from now on. The hub has not heard of it yet.
    pub(crate) fn open(
        &mut self,
        name: &str,
        kind: RunKind,
        options: &str,
    ) -> Result<u32, OpenError> {
        self.check_open().map_err(OpenError::Gone)?;
        if self.queue.is_far_beyond() {
            return Err(OpenError::Full);
        }
        let (key, request, kind) = (self.keys.draw(), self.requests.draw(), kind.as_u8());
        let open_seq = self.queue.push_beyond(|seq, out| {
            ToHub::Open {
                seq,
                key,
                request,
                kind,
                stream: name,
                options,
            }
            .encode(out);
        });
        self.keys.open(key, request, name, kind, options, open_seq);
        Ok(key)
    }

    /// Queues one event of `key` that `write` writes, where it has to be in the place of older ones.
    #[inline]
    pub(crate) fn send(
        &mut self,
        commands: &Commands,
        overflow_after: Duration,
        now: impl FnOnce() -> Instant,
        key: u32,
        write: impl Fn(u64, &mut Vec<u8>),
    ) -> Result<Sent, SendError> {
        self.check_writable(key)?;
        if let Err(Full(bytes)) = self.queue.push(&write)
            && self
                .push_by_dropping(commands, overflow_after, now(), write)
                .is_none()
        {
            return Ok(Sent::Full { bytes });
        }
        self.queued_events += 1;
        let Self { keys, queue, .. } = self;
        keys.spend(key, || event_bytes_cost(queue.newest_frame_bytes()));
        Ok(Sent::Queued)
    }

    /// Says what the response to the reader of a visit has beside its events.
    pub(crate) fn head(&mut self, key: u32, head: &str) -> Result<(), SendError> {
        self.check_writable(key)?;
        self.queue
            .push_beyond(|seq, out| ToHub::Head { seq, key, head }.encode(out));
        Ok(())
    }

    /// Ends a stream's producer after everything that was sent. One that the hub refused is forgotten.
    pub(crate) fn end(
        &mut self,
        key: u32,
        reason: EndReason,
        error: &str,
    ) -> Result<(), SendError> {
        match self.check_writable(key) {
            Err(SendError::Refused(_)) => {
                self.keys.forget(key);
                return Ok(());
            }
            outcome => outcome?,
        }
        let reason = reason.as_u8();
        let end_seq = self.queue.push_beyond(|seq, out| {
            ToHub::End {
                seq,
                key,
                reason,
                error,
            }
            .encode(out);
        });
        self.keys.end(key, end_seq);
        Ok(())
    }

    /// Brings what is queued, or the next part of it, on its way. Nothing may be cut there: requests go between two frames.
    pub(crate) fn load(&mut self, wire: &mut Wire, flight: &mut Flight) {
        self.requests.encode_unsent(&mut wire.control);
        self.queue.take(TAKE_BYTES, |chunk| flight.add(chunk));
    }

    /// A new connection is accepted: writes again what the hub does not have, from its first frame on.
    ///
    /// # Errors
    ///
    /// The server speaks another version.
    pub(crate) fn welcome(
        &mut self,
        commands: &Commands,
        flight: &mut Flight,
        frame: ToKernel<'_>,
        control: &mut Vec<u8>,
    ) -> io::Result<()> {
        let ToKernel::Welcome {
            version,
            known,
            last_seq,
            server,
            ..
        } = frame
        else {
            return Ok(());
        };
        if version != VERSION {
            return Err(invalid_data(format!(
                "a server that speaks version {VERSION} of the link is needed, got version {version}: \
                 use the same jupyter_sse in the kernel and in the server"
            )));
        }
        // A hub that had given this link up does not know its streams any more, but how far it had come.
        let heard_seq = last_seq.min(self.queue.last_seq());
        let acked_seq = self.queue.acked_seq().max(heard_seq);
        let mut buffers = Vec::new();
        let freed_bytes = flight.rewind(acked_seq, &mut buffers);
        self.queue.release(acked_seq, freed_bytes, buffers);
        self.queue.begin_connection();
        self.keys.forget_ended(acked_seq);
        for over in self.keys.reopen(known, acked_seq, control) {
            commands.push(over);
        }
        self.link(commands, server);
        Ok(())
    }

    /// The hub has everything up to `acked_seq`. Tells whether that is news.
    pub(crate) fn acknowledge(&mut self, flight: &mut Flight, acked_seq: u64) -> bool {
        let mut buffers = Vec::new();
        let freed_bytes = flight.ack(acked_seq, &mut buffers);
        let is_news = self.queue.release(acked_seq, freed_bytes, buffers);
        if is_news {
            self.keys.forget_ended(acked_seq);
        }
        is_news
    }

    /// The hub says what is no matter of the connection itself.
    pub(crate) fn hear(&mut self, commands: &Commands, frame: ToKernel<'_>) {
        match frame {
            ToKernel::Opened {
                key, run, error, ..
            } => {
                let answer = if error.is_empty() {
                    Ok(run)
                } else {
                    Err(Refusal::from_json(error))
                };
                if let Some(command) = self.keys.answer(key, answer) {
                    commands.push(command);
                }
            }
            ToKernel::Stop { key } => {
                self.keys.give_up_credit(key);
                commands.push(Command::Stop { key });
            }
            ToKernel::Begin {
                key,
                visit,
                request,
            } => commands.push(Command::Begin {
                key,
                visit,
                request: request.to_owned(),
            }),
            ToKernel::Credit { key, bytes } => {
                if let Some(command) = self.keys.grant(key, bytes) {
                    commands.push(command);
                }
            }
            ToKernel::Answer {
                request,
                status,
                body,
            } => self.requests.answer(request, status, body),
            ToKernel::Welcome { .. } | ToKernel::Ack { .. } => {}
        }
    }
}
