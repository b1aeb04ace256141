//! One socket that came in through the Unix socket: a link, or a local subscription before it is one.

use std::io::{self, Read, Write};
use std::mem;
use std::sync::Mutex;

use jupyter_sse_codec::MAX_EVENT_BYTES;
use jupyter_sse_codec::frame::{FrameError, ToHub, ToKernel, VERSION, split};
use mio::net::UnixStream;

use crate::clock::Now;
use crate::links::{LinkState, cut};
use crate::reader::lock;
use crate::state::State;
use crate::stream::{LinkId, ProducerInfo};

/// What a kernel may leave unread of the hub's answers before its link is dropped, in bytes.
const MAX_UNREAD_BYTES: usize = 16 << 20;
/// What frames may carry beside the largest event, in bytes.
const FRAME_ROOM_BYTES: usize = 64 << 10;
/// The longest name and label of a kernel, in bytes; what is longer is cut. Every run keeps them.
const MAX_KERNEL_BYTES: usize = 256;
const MAX_LABEL_BYTES: usize = 1024;
/// What an input buffer keeps between two frames, in bytes.
const KEPT_BYTES: usize = 64 << 10;

/// What came of reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing more for now.
    Drained,
    /// There may be more to read.
    More,
    /// The first frame wants this socket for a subscription (JSON).
    Subscribe(String),
    /// It is of no further use.
    Gone,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: UnixStream,
    /// `None` until it has said hello.
    pub(crate) link: Option<LinkId>,
    max_frame_bytes: usize,
    /// The process at the other end, as the system says.
    pid: Option<u32>,
    /// The beginning of a frame whose end has not come yet.
    input: Vec<u8>,
    output: Vec<u8>,
    /// The other end writes no more: what is left is read to the end, for nothing will be reported any more.
    pub(crate) is_closing: bool,
    /// The newest place in the link's sequence that the kernel has the receipt for.
    acked_seq: u64,
}

impl Peer {
    /// # Errors
    ///
    /// The other end belongs to another user.
    pub(crate) fn new(stream: UnixStream, max_event_bytes: usize) -> io::Result<Self> {
        let pid = check_peer(&stream)?;
        // A kernel does not know the server's bound: an event beyond it is refused, not a reason to give the link up.
        let max_frame_bytes = max_event_bytes.max(MAX_EVENT_BYTES) + FRAME_ROOM_BYTES;
        Ok(Self {
            stream,
            link: None,
            max_frame_bytes,
            pid,
            input: Vec::new(),
            output: Vec::new(),
            is_closing: false,
            acked_seq: 0,
        })
    }

    /// Reads once, under one lock does what the frames say, and answers. `scratch` is the reactor's own.
    pub(crate) fn read(&mut self, state: &Mutex<State>, now: Now, scratch: &mut [u8]) -> Input {
        let count = match self.stream.read(scratch) {
            Ok(0) => return Input::Gone,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Input::Drained,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Input::More,
            Err(_) => return Input::Gone,
        };
        let mut state = lock(state);
        let result = if self.input.is_empty() {
            let result = self.frames(&mut state, now, &scratch[..count]);
            if let Ok((used, _)) = result {
                self.input.extend_from_slice(&scratch[used..count]);
            }
            result
        } else {
            let mut input = mem::take(&mut self.input);
            input.extend_from_slice(&scratch[..count]);
            let result = self.frames(&mut state, now, &input);
            if let Ok((used, _)) = result {
                input.drain(..used);
                input.shrink_to(KEPT_BYTES);
                self.input = input;
            }
            result
        };
        let link = self.link.and_then(|id| state.links.get(&id));
        let seq = link.map_or(0, LinkState::last_seq);
        if seq > self.acked_seq {
            self.acked_seq = seq;
            ToKernel::Ack { seq }.encode(&mut self.output);
        }
        match result {
            Ok((_, Some(query))) => Input::Subscribe(query),
            // A read that the socket could not fill has drained it, and what comes later is reported.
            Ok((_, None)) if count < scratch.len() && !self.is_closing => Input::Drained,
            Ok((_, None)) => Input::More,
            Err(_) => Input::Gone,
        }
    }

    /// Does what all whole frames say. Returns how many bytes they took, and the query of a subscription.
    fn frames(
        &mut self,
        state: &mut State,
        now: Now,
        bytes: &[u8],
    ) -> Result<(usize, Option<String>), FrameError> {
        let mut used = 0;
        while let Some((payload, taken)) = split(&bytes[used..], self.max_frame_bytes)? {
            if self.output.len() > MAX_UNREAD_BYTES {
                return Err(FrameError::Malformed);
            }
            let frame = ToHub::decode(payload)?;
            used += taken;
            match (self.link, frame) {
                (Some(id), frame) => state.link_frame(&id, &frame, now.unix, &mut self.output),
                (
                    None,
                    ToHub::Hello {
                        version,
                        link,
                        kernel,
                        label,
                        pid,
                    },
                ) => {
                    if version != VERSION {
                        // So that the kernel can say why.
                        self.output.extend(state.welcome(false, 0));
                        self.flush();
                        return Err(FrameError::Malformed);
                    }
                    let producer = ProducerInfo {
                        kernel: cut(kernel, MAX_KERNEL_BYTES),
                        label: cut(label, MAX_LABEL_BYTES),
                        pid: self.pid.unwrap_or(pid),
                    };
                    self.link = Some(link);
                    self.output.extend(state.link_up(link, producer));
                }
                (None, ToHub::Subscribe { query }) => return Ok((used, Some(query.to_owned()))),
                (None, _) => return Err(FrameError::Malformed),
            }
        }
        Ok((used, None))
    }

    /// Whether something waits for the socket to take it.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Queues a frame.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        self.output.extend_from_slice(frame);
    }

    /// Writes what is queued, as far as it goes. Returns `false` where the link is of no further use, or takes nothing for too long.
    pub(crate) fn flush(&mut self) -> bool {
        let mut written = 0;
        let is_up = loop {
            if written == self.output.len() {
                break true;
            }
            match self.stream.write(&self.output[written..]) {
                Ok(0) => break false,
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        self.output.drain(..written);
        if self.output.is_empty() {
            self.output.shrink_to(KEPT_BYTES);
        }
        is_up && self.output.len() <= MAX_UNREAD_BYTES
    }
}

/// Refuses other users, and says which process it is where the system tells.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_peer(stream: &UnixStream) -> io::Result<Option<u32>> {
    let peer = rustix::net::sockopt::socket_peercred(stream)?;
    if peer.uid != rustix::process::geteuid() && !peer.uid.is_root() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(u32::try_from(peer.pid.as_raw_nonzero().get()).ok())
}

/// Elsewhere the socket's mode and its folder keep others out.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check_peer(_stream: &UnixStream) -> io::Result<Option<u32>> {
    Ok(None)
}
