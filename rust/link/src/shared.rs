//! What the kernel's threads and the link thread share.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{EVENT_OVERHEAD_BYTES, HEADER_BYTES};
use mio::Waker;
use serde_json::Value;

use crate::command::{Command, Commands};
use crate::keys::Keys;
use crate::queue::Queue;
use crate::requests::Requests;
use crate::session::event_bytes_cost;
use crate::socket::OpenSocket;

/// What the frame of an event takes beside its type, id and body, in bytes.
const FRAME_BYTES: u64 = (HEADER_BYTES + EVENT_OVERHEAD_BYTES) as u64;

/// How the link stands to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first attempt is not decided yet.
    Connecting,
    Linked,
    Unlinked,
}

/// Everything behind the handles of a link.
pub(crate) struct Shared {
    /// Guards all of [`State`]. Whoever holds it does no I/O, waits for nothing and calls no Python; it is held
    /// for the copy of one event, or for the move of some chunks. No other lock is taken while it is held,
    /// except that of `commands`, which takes none.
    state: Mutex<State>,
    /// Signalled when the queue has got room, to those counted in `room_waiters`.
    room: Condvar,
    /// Signalled when the hub has confirmed or answered something, or the phase changed, to `progress_waiters`.
    progress: Condvar,
    pub(crate) commands: Commands,
    /// Ends the link thread's wait for its socket.
    pub(crate) waker: Waker,
    /// The link thread is to end.
    pub(crate) is_stopping: AtomicBool,
    /// This process is a fork of the one that owns the link.
    pub(crate) is_abandoned: AtomicBool,
    pub(crate) socket: OpenSocket,
    /// What this side allows one event, in bytes.
    own_max_event_bytes: usize,
    /// The same, or less where the server allows less. It guards nothing: who reads an old value sends one event more.
    max_event_bytes: AtomicUsize,
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) keys: Keys,
    pub(crate) requests: Requests,
    pub(crate) phase: Phase,
    /// How many times a server has been connected.
    pub(crate) links: u64,
    /// JSON about the server of the last connection.
    pub(crate) server: Option<String>,
    /// What the kernel was told about a server that it cannot be linked to.
    told_trouble: Option<String>,
    /// The link thread sleeps and wants to hear of new frames.
    ///
    /// It sets the flag under the lock after it saw that nothing is unsent; who queues a frame takes the flag
    /// under the same lock and wakes the thread afterwards. So a frame is either seen before the thread sleeps, or
    /// its sender sees the flag; and a wake-up that comes before the thread waits is kept by the waker, which makes
    /// that wait return at once. While the thread is busy, sending costs no system call.
    pub(crate) wake_wanted: bool,
    pub(crate) is_closing: bool,
    /// The link thread has ended.
    pub(crate) is_finished: bool,
    pub(crate) queued_events: u64,
    pub(crate) lost_events: u64,
    room_waiters: usize,
    progress_waiters: usize,
}

impl Shared {
    pub(crate) fn new(queue: Queue, waker: Waker, max_event_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State::new(queue)),
            room: Condvar::new(),
            progress: Condvar::new(),
            commands: Commands::new(),
            waker,
            is_stopping: AtomicBool::new(false),
            is_abandoned: AtomicBool::new(false),
            socket: OpenSocket::none(),
            own_max_event_bytes: max_event_bytes,
            max_event_bytes: AtomicUsize::new(max_event_bytes),
        }
    }

    /// The state, also after a panic elsewhere: every change of it is complete before anything can panic.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one event may take, in bytes: what both sides allow.
    #[inline]
    pub(crate) fn max_event_bytes(&self) -> usize {
        self.max_event_bytes.load(Ordering::Relaxed)
    }

    /// A server is connected that says this of itself, in JSON.
    pub(crate) fn meet(&self, server: &str) {
        let server: Value = serde_json::from_str(server).unwrap_or_default();
        let limit = server.get("max_event_bytes").and_then(Value::as_u64);
        let limit = limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        self.max_event_bytes
            .store(limit.min(self.own_max_event_bytes), Ordering::Relaxed);
    }

    /// Lets go of the lock after something was queued.
    #[inline]
    pub(crate) fn unlock_and_wake(&self, mut state: MutexGuard<'_, State>) {
        let is_wanted = std::mem::take(&mut state.wake_wanted);
        drop(state);
        if is_wanted {
            self.wake();
        }
    }

    /// Makes the link thread look around.
    pub(crate) fn wake(&self) {
        // It fails only where the process has run out of kernel memory. The next frame tries again.
        let _ = self.waker.wake();
    }

    /// Tells whoever waits that something is confirmed, answered or different.
    pub(crate) fn announce(&self, state: &State) {
        // A signal is a system call even where nobody waits: hence the counts.
        if state.progress_waiters > 0 {
            self.progress.notify_all();
        }
        if state.room_waiters > 0 {
            self.room.notify_all();
        }
    }

    /// Waits until `look` finds what it looks for or the deadline has passed.
    pub(crate) fn wait_for_progress<'a, T>(
        &self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> (MutexGuard<'a, State>, Option<T>) {
        loop {
            if let Some(found) = look(&mut state) {
                return (state, Some(found));
            }
            let Some(left) = time_left(deadline) else {
                return (state, None);
            };
            state.progress_waiters += 1;
            state = wait(&self.progress, state, left);
            state.progress_waiters -= 1;
        }
    }

    /// Waits until a frame of `bytes` has a chance, by room or by the right to drop; `false`: the deadline came first.
    pub(crate) fn wait_for_room(
        &self,
        bytes: usize,
        deadline: Option<Instant>,
        overflow_after: Duration,
    ) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_closing || state.is_finished || state.queue.has_room(bytes) {
                return true;
            }
            let patience = state.patience(Instant::now(), overflow_after);
            if patience.is_zero() {
                return true;
            }
            let Some(left) = time_left(deadline) else {
                return false;
            };
            state.room_waiters += 1;
            state = wait(&self.room, state, left.min(patience));
            state.room_waiters -= 1;
        }
    }

    /// The link thread has ended: nobody may wait for it any more.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.is_finished = true;
        state.phase = Phase::Unlinked;
        self.announce(&state);
        drop(state);
        self.commands.close();
    }
}

impl State {
    pub(crate) fn new(queue: Queue) -> Self {
        Self {
            queue,
            keys: Keys::default(),
            requests: Requests::default(),
            phase: Phase::Connecting,
            links: 0,
            server: None,
            told_trouble: None,
            wake_wanted: false,
            is_closing: false,
            is_finished: false,
            queued_events: 0,
            lost_events: 0,
            room_waiters: 0,
            progress_waiters: 0,
        }
    }

    /// Whether somebody waits for a receipt or an answer.
    pub(crate) fn is_awaited(&self) -> bool {
        self.progress_waiters > 0
    }

    /// How long a full queue has still to wait at `now` before it may drop events.
    fn patience(&mut self, now: Instant, overflow_after: Duration) -> Duration {
        let was_never_linked = self.links == 0 && self.phase == Phase::Unlinked;
        if was_never_linked {
            Duration::ZERO
        } else {
            self.queue.patience(now, overflow_after)
        }
    }

    /// Queues a frame of one event that has found the queue full, if the time has come to drop older ones for it.
    /// `None`: it has not.
    pub(crate) fn push_by_dropping(
        &mut self,
        commands: &Commands,
        overflow_after: Duration,
        now: Instant,
        write: impl Fn(u64, &mut Vec<u8>),
    ) -> Option<u64> {
        if !self.patience(now, overflow_after).is_zero() {
            return None;
        }
        loop {
            let Some(losses) = self.queue.drop_oldest() else {
                return Some(self.queue.push_beyond(&write));
            };
            self.lost_events += losses.values().map(|loss| loss.events).sum::<u64>();
            commands.push_losses(&losses);
            for (&key, loss) in &losses {
                let cost = loss.events * event_bytes_cost(0)
                    + loss.bytes.saturating_sub(loss.events * FRAME_BYTES);
                if let Some(command) = self.keys.refund(key, cost) {
                    commands.push(command);
                }
            }
            if let Ok(seq) = self.queue.push(&write) {
                return Some(seq);
            }
        }
    }

    /// A server is connected that speaks our language.
    pub(crate) fn link(&mut self, commands: &Commands, server: &str) {
        self.phase = Phase::Linked;
        self.links += 1;
        self.server = Some(server.to_owned());
        self.told_trouble = None;
        commands.push(Command::Linked);
    }

    /// The link was lost, or could not be had. The kernel is told of a loss, and once of a server that it can
    /// never be linked to; a server that is not there (yet) is nothing to tell.
    pub(crate) fn unlink(&mut self, commands: &Commands, error: &io::Error) {
        let reason = error.to_string();
        let is_misfit = error.kind() == io::ErrorKind::InvalidData;
        let is_new_misfit = is_misfit && self.told_trouble.as_ref() != Some(&reason);
        if is_new_misfit {
            self.told_trouble = Some(reason.clone());
        }
        if self.phase == Phase::Linked || is_new_misfit {
            commands.push(Command::Unlinked { reason });
        }
        self.phase = Phase::Unlinked;
        self.wake_wanted = false;
        self.requests.send_again();
    }
}

/// Waits for a signal, at most for `left`.
fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, State>,
    left: Duration,
) -> MutexGuard<'a, State> {
    condition
        .wait_timeout(state, left)
        .unwrap_or_else(PoisonError::into_inner)
        .0
}

/// The moment at which `timeout` is over; `None` is never.
pub(crate) fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// What is left of the time, `None` if nothing is.
fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    let Some(deadline) = deadline else {
        return Some(Duration::MAX);
    };
    Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}
