use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_codec::{EndReason, Pattern, RunKind, check_name, frame};
use mio::{Poll, Waker};

use crate::command::Command;
use crate::error::{Gone, OpenError, RequestError, SendError};
use crate::keys::NotWritable;
use crate::options::LinkOptions;
use crate::queue::Queue;
use crate::shared::{Phase, Shared, State, deadline};
use crate::socket::check_path;
use crate::thread::{LinkThread, WAKER};

/// A kernel's two-way connection to the server.
///
/// A cheap handle: clones share one link, any thread may use any of them. What is sent is queued and written by a
/// thread of the link's own, which also looks for the server, again and again, for as long as the link lives.
/// Dropping the last handle ends the link at once and waits for nothing; [`Link::close`] before that delivers what
/// is queued.
#[derive(Clone)]
pub struct Link(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    overflow_after: Duration,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an event that found the link full was not queued"]
pub enum Sent {
    /// It is queued and will be sent, or counted as lost.
    Queued,
    /// It is not queued: [`Link::wait_for_room`] of so many bytes, then send it again.
    Full {
        /// What the event takes in the queue.
        bytes: usize,
    },
}

/// A stream that is open for sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Names the stream in the other methods.
    pub key: u32,
    /// The number of the run. `None`: the hub has not confirmed it yet; what is sent waits for it.
    pub run: Option<u32>,
}

/// What a link has done so far, and what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// A server is connected.
    pub is_linked: bool,
    /// How many times one was.
    pub links: u64,
    /// Events that were queued, ever.
    pub queued_events: u64,
    /// Events of these that were dropped because no server took them.
    pub lost_events: u64,
    /// Bytes of frames that are not confirmed, sent or not.
    pub unconfirmed_bytes: usize,
    /// Frames that are not confirmed: events, opens and ends.
    pub unconfirmed_frames: u64,
}

impl Link {
    /// Starts a link and its thread. Returns at once, whether or not a server is there.
    ///
    /// # Errors
    ///
    /// No socket can have this path, the system has no thread or descriptor left, or the platform has no
    /// Unix sockets ([`io::ErrorKind::Unsupported`]).
    pub fn start(options: LinkOptions) -> io::Result<Self> {
        check_path(&options.path)?;
        let mut link = [0; 16];
        getrandom::fill(&mut link)?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let shared = Arc::new(Shared::new(
            Queue::new(options.max_unsent_bytes),
            waker,
            options.max_event_bytes,
        ));
        let overflow_after = options.overflow_after;
        let worker = LinkThread::new(Arc::clone(&shared), poll, link, options);
        // Not kept: a forked child could not join a thread that it does not have, nor even forget it safely.
        thread::Builder::new()
            .name("jupyter_sse.link".to_owned())
            .spawn(move || worker.run())
            .map(drop)?;
        Ok(Self(Arc::new(Handle {
            shared,
            overflow_after,
        })))
    }

    /// Opens a stream for sending. Where a server is connected, waits for its answer, `timeout` at most.
    ///
    /// A route (`name` is its pattern) is opened in the same way; its readers come as [`Command::Begin`], and each of their visits is
    /// opened with the path of its request and the options `{"visit", "ping_interval"}`.
    ///
    /// # Errors
    ///
    /// The hub's refusal, if it came in time; a later one is [`Command::Refused`]. See [`OpenError`].
    pub fn open(
        &self,
        name: &str,
        kind: RunKind,
        options: &str,
        timeout: Duration,
    ) -> Result<Opened, OpenError> {
        match kind {
            RunKind::Route => drop(Pattern::parse(name).map_err(OpenError::Pattern)?),
            // The hub has said it.
            RunKind::Visit => {}
            RunKind::Run | RunKind::Send | RunKind::Post => {
                check_name(name).map_err(OpenError::Name)?;
            }
        }
        let (bytes, limit) = (name.len() + options.len(), self.0.shared.max_event_bytes());
        if bytes > limit {
            return Err(OpenError::TooLarge { bytes, limit });
        }
        let shared = self.shared().map_err(OpenError::Gone)?;
        let mut state = shared.lock();
        let key = state.open(name, kind, options)?;
        shared.unlock_and_wake(state);
        let (mut state, answer) =
            shared.wait_for_progress(shared.lock(), deadline(Some(timeout)), |state| {
                let answer = state.keys.answer_of(key).cloned();
                let is_hopeless = state.phase == Phase::Unlinked || state.is_finished;
                (answer.is_some() || is_hopeless).then_some(answer)
            });
        // A refusal that comes from here on is told as a command.
        state.keys.let_go(key);
        match answer.flatten() {
            Some(Err(refusal)) => {
                state.keys.forget(key);
                Err(OpenError::Refused(refusal))
            }
            answer => Ok(Opened {
                key,
                run: answer.and_then(Result::ok),
            }),
        }
    }

    /// Queues one event. Never waits.
    ///
    /// The type and the id have passed [`jupyter_sse_codec::check_event_type`] and [`jupyter_sse_codec::check_id`];
    /// `write_body` appends what [`jupyter_sse_codec::encode_body`] writes, of a size that passed
    /// [`jupyter_sse_codec::check_body_size`] with [`Link::max_event_bytes`]. It runs under the link's lock, twice where
    /// older events have to go, and does nothing but append.
    ///
    /// # Errors
    ///
    /// The stream is not open, or the link is closed; then nothing was queued.
    #[inline]
    pub fn send(
        &self,
        key: u32,
        event: Option<&str>,
        id: Option<&str>,
        write_body: impl Fn(&mut Vec<u8>),
    ) -> Result<Sent, SendError> {
        let event = event.unwrap_or_default().as_bytes();
        let id = id.unwrap_or_default().as_bytes();
        let shared = self.shared().map_err(SendError::Gone)?;
        let mut state = shared.lock();
        let write =
            |seq, out: &mut Vec<u8>| frame::encode_event(out, seq, key, event, id, &write_body);
        let overflow_after = self.0.overflow_after;
        let sent = state.send(&shared.commands, overflow_after, Instant::now, key, write)?;
        if sent == Sent::Queued {
            shared.unlock_and_wake(state);
        }
        Ok(sent)
    }

    /// Waits until an event that takes `bytes` in the queue can be sent or has a reason to fail; `false`: the time
    /// was over before that. Another thread may take the room first.
    pub fn wait_for_room(&self, bytes: usize, timeout: Duration) -> bool {
        let Ok(shared) = self.shared() else {
            return true;
        };
        shared.wait_for_room(bytes, deadline(Some(timeout)), self.0.overflow_after)
    }

    /// Says what the response to the reader of a visit has beside its events: JSON `{"headers": {name: value}}`. Before the first event.
    ///
    /// # Errors
    ///
    /// As of [`Link::end`].
    pub fn head(&self, key: u32, head: &str) -> Result<(), SendError> {
        let (bytes, limit) = (head.len(), self.0.shared.max_event_bytes());
        if bytes > limit {
            return Err(SendError::TooLarge { bytes, limit });
        }
        let shared = self.shared().map_err(SendError::Gone)?;
        let mut state = shared.lock();
        state.head(key, head)?;
        shared.unlock_and_wake(state);
        Ok(())
    }

    /// How much more the reader of a visit has asked for, in the measure of [`frame::event_cost`]; at zero and below its run should rest.
    /// `None`: this is no visit, or it has ended.
    pub fn credit(&self, key: u32) -> Option<i64> {
        self.shared().ok()?.lock().keys.credit(key)
    }

    /// Waits until the reader of a visit has asked for more, or the visit is over: [`Link::credit`] then has it. `false`: the time was
    /// over before.
    pub fn wait_for_credit(&self, key: u32, timeout: Duration) -> bool {
        let Ok(shared) = self.shared() else {
            return true;
        };
        let found = shared.wait_for_progress(shared.lock(), deadline(Some(timeout)), |state| {
            let is_over = state.is_finished || state.check_writable(key).is_err();
            (is_over || state.keys.is_credit_settled(key)).then_some(())
        });
        found.1.is_some()
    }

    /// Ends the stream's producer, after everything that was sent. `error` is JSON `{"type", "message"}` or empty.
    ///
    /// # Errors
    ///
    /// The stream is not open, the link is closed, or `error` is longer than an event may be. A stream that the
    /// hub refused is forgotten without an error.
    pub fn end(&self, key: u32, reason: EndReason, error: &str) -> Result<(), SendError> {
        let limit = self.0.shared.max_event_bytes();
        if error.len() > limit {
            return Err(SendError::TooLarge {
                bytes: error.len(),
                limit,
            });
        }
        let shared = self.shared().map_err(SendError::Gone)?;
        let mut state = shared.lock();
        state.end(key, reason, error)?;
        shared.unlock_and_wake(state);
        Ok(())
    }

    /// Waits for the hub's receipt for everything that was queued before the call. `false`: it did not come in time
    /// (`None`: wait for ever), or the link is closed. What was dropped meanwhile counts as received: it was announced.
    pub fn flush(&self, timeout: Option<Duration>) -> bool {
        self.wait_for_receipt(self.mark(), timeout) == Some(true)
    }

    /// The place of the newest frame in the queue, for [`Link::wait_for_receipt`].
    pub fn mark(&self) -> u64 {
        self.shared()
            .map_or(0, |shared| shared.lock().queue.last_seq())
    }

    /// Waits for the hub's receipt for everything up to `mark`. `None`: it did not come in time; `Some(false)`: the
    /// link is closed, and it will not come.
    pub fn wait_for_receipt(&self, mark: u64, timeout: Option<Duration>) -> Option<bool> {
        let Ok(shared) = self.shared() else {
            return Some(false);
        };
        let received = |state: &mut State| {
            let is_received = state.queue.acked_seq() >= mark;
            (is_received || state.is_finished).then_some(is_received)
        };
        shared
            .wait_for_progress(shared.lock(), deadline(timeout), received)
            .1
    }

    /// Asks the hub, and waits for its status and its JSON. A server that comes back in time still answers.
    ///
    /// # Errors
    ///
    /// No answer in time, a request that is too long, or the link is closed.
    pub fn request(&self, body: &str, timeout: Duration) -> Result<(u16, String), RequestError> {
        let request = self.ask(body)?;
        let answer = self.wait_for_answer(request, timeout);
        self.forget_request(request);
        answer
    }

    /// Asks the hub. [`Link::wait_for_answer`] and, where that got none, [`Link::forget_request`] have to follow.
    ///
    /// # Errors
    ///
    /// A request that is too long, or the link is closed.
    pub fn ask(&self, body: &str) -> Result<u32, RequestError> {
        let (bytes, limit) = (body.len(), self.0.shared.max_event_bytes());
        if bytes > limit {
            return Err(RequestError::TooLarge { bytes, limit });
        }
        let shared = self.shared().map_err(RequestError::Gone)?;
        let mut state = shared.lock();
        state.check_open().map_err(RequestError::Gone)?;
        let request = state.requests.draw();
        state.requests.ask(request, body);
        drop(state);
        shared.wake();
        Ok(request)
    }

    /// Waits for the answer to a request.
    ///
    /// # Errors
    ///
    /// No answer in time (it may still come), or the link is closed.
    pub fn wait_for_answer(
        &self,
        request: u32,
        timeout: Duration,
    ) -> Result<(u16, String), RequestError> {
        let shared = self.shared().map_err(RequestError::Gone)?;
        let (state, answer) =
            shared.wait_for_progress(shared.lock(), deadline(Some(timeout)), |state| {
                let answer = state.requests.take_answer(request).map(Ok);
                let gone = || {
                    state
                        .is_finished
                        .then_some(Err(RequestError::Gone(Gone::Closed)))
                };
                answer.or_else(gone)
            });
        let is_linked = state.phase == Phase::Linked;
        answer.unwrap_or(Err(RequestError::TimedOut { is_linked }))
    }

    /// Nobody waits for this answer any more.
    pub fn forget_request(&self, request: u32) {
        if let Ok(shared) = self.shared() {
            shared.lock().requests.forget(request);
        }
    }

    /// The next thing to act on, or `None` when the time is over (`None`: wait for ever) or the link is closed.
    pub fn next_command(&self, timeout: Option<Duration>) -> Option<Command> {
        self.shared().ok()?.commands.next(timeout)
    }

    /// What one event's data, retry and comment lines may take, in bytes: what this side and the server allow.
    pub fn max_event_bytes(&self) -> usize {
        self.0.shared.max_event_bytes()
    }

    /// Whether a server is connected.
    pub fn is_linked(&self) -> bool {
        self.shared()
            .is_ok_and(|shared| shared.lock().phase == Phase::Linked)
    }

    /// What the server of the last connection said about itself: JSON `{"url", "pid"}`.
    pub fn server(&self) -> Option<String> {
        self.shared().ok()?.lock().server.clone()
    }

    /// The number of the run that the hub has confirmed last, until the end of the stream's producer is confirmed.
    pub fn run_of(&self, key: u32) -> Option<u32> {
        self.shared()
            .ok()?
            .lock()
            .keys
            .answer_of(key)?
            .as_ref()
            .ok()
            .copied()
    }

    /// What the link has done so far; `None` in a forked child.
    pub fn stats(&self) -> Option<Stats> {
        let state = self.shared().ok()?.lock();
        Some(Stats {
            is_linked: state.phase == Phase::Linked,
            links: state.links,
            queued_events: state.queued_events,
            lost_events: state.lost_events,
            unconfirmed_bytes: state.queue.used_bytes(),
            unconfirmed_frames: state.queue.last_seq() - state.queue.acked_seq(),
        })
    }

    /// Takes nothing more, waits until everything queued is received, `flush_timeout` at most, and ends the link.
    ///
    /// Tells whether everything was received. Producers are not ended: for the server their process is lost
    /// unless [`Link::end`] came before.
    pub fn close(&self, flush_timeout: Duration) -> bool {
        let Ok(shared) = self.shared() else {
            return false;
        };
        let mut state = shared.lock();
        state.is_closing = true;
        shared.announce(&state);
        drop(state);
        let is_received = self.flush(Some(flush_timeout));
        self.0.stop();
        // The thread does nothing that waits, so this is a matter of microseconds.
        let finished = |state: &mut State| state.is_finished.then_some(());
        drop(shared.wait_for_progress(
            shared.lock(),
            deadline(Some(Duration::from_secs(1))),
            finished,
        ));
        is_received
    }

    /// Leaves a link alone that was inherited over a fork, in the child: to be called there before anything else.
    ///
    /// The link thread exists in the parent only, and a lock may have been held at the moment of the fork, for
    /// ever. So this takes no lock, says nothing to the server, and closes the child's copy of the socket. From
    /// then on every method of every handle fails or does nothing, and dropping them does nothing. In the process that
    /// started the link it must not be called.
    pub fn abandon(&self) {
        if !self.0.shared.is_abandoned.swap(true, Ordering::AcqRel) {
            self.0.shared.socket.close_in_child();
        }
    }

    fn shared(&self) -> Result<&Shared, Gone> {
        if self.0.shared.is_abandoned.load(Ordering::Relaxed) {
            Err(Gone::Abandoned)
        } else {
            Ok(&self.0.shared)
        }
    }
}

impl Handle {
    fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.shared.wake();
    }
}

impl Drop for Handle {
    /// Takes no lock and waits for nothing, so that it is safe wherever it comes, at the interpreter's end too.
    fn drop(&mut self) {
        if !self.shared.is_abandoned.load(Ordering::Relaxed) {
            self.stop();
        }
    }
}

impl State {
    pub(crate) fn check_open(&self) -> Result<(), Gone> {
        if self.is_closing || self.is_finished {
            Err(Gone::Closed)
        } else {
            Ok(())
        }
    }

    #[inline]
    pub(crate) fn check_writable(&self, key: u32) -> Result<(), SendError> {
        self.check_open().map_err(SendError::Gone)?;
        self.keys
            .check_writable(key)
            .map_err(|reason| match reason {
                NotWritable::Closed => SendError::NotOpen,
                NotWritable::Refused(refusal) => SendError::Refused(refusal),
            })
    }
}
