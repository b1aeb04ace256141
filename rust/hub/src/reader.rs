//! One connected subscriber: its cursors and the few bytes that are between them and its socket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Now, millis};
use crate::control::retry_line;
use crate::log::Batch;
use crate::report::{Motion, Question, Report};
use crate::state::{State, StreamKey};
use crate::subscription::{Step, Subscription};

/// How much one reader is given at a time; bounds what it holds beside its cursors.
const ROOM_BYTES: usize = 64 << 10;
/// How much of a log is copied at a time for all readers that stand at the same place.
const BATCH_BYTES: usize = 256 << 10;

/// Locks; a thread that died in its critical section leaves the state as whole as any other moment does.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest piece of a log that a reader asked for: most readers ask for the same one.
#[derive(Debug, Default)]
pub(crate) struct SharedBatch {
    key: StreamKey,
    most: u64,
    serial: u64,
    pub(crate) batch: Batch,
}

impl SharedBatch {
    pub(crate) fn forget(&mut self) {
        self.batch.ends.clear();
    }

    /// Returns whether there is anything.
    fn load(&mut self, state: &State, key: StreamKey, from: u64, most: u64) -> bool {
        let is_same = self.key == key
            && self.batch.from == from
            && self.most == most
            && !self.batch.ends.is_empty();
        if is_same {
            return true;
        }
        self.forget();
        let Some(stream) = state.stream(key) else {
            return false;
        };
        stream.log.copy_wire(from, BATCH_BYTES, &mut self.batch);
        if let Some(&end) = usize::try_from(most)
            .ok()
            .and_then(|most| self.batch.ends.get(most.wrapping_sub(1)))
        {
            self.batch.ends.truncate(most as usize);
            self.batch.bytes.truncate(end);
        }
        (self.key, self.most) = (key, most);
        self.serial += 1;
        !self.batch.ends.is_empty()
    }

    /// Changes whenever the batch does.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

/// What a reader is to be given next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// What is pending.
    Pending,
    /// The shared batch.
    Batch,
    /// Nothing now.
    Rest,
    /// Nothing ever again.
    Close,
}

/// A socket that takes nothing.
#[derive(Debug)]
struct Stuck {
    /// Since when (of `Now::mono`).
    since: u64,
    /// What the system held for its reader then, in bytes; `None`: it does not say.
    queued: Option<u64>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) subscription: Subscription,
    /// Bytes for this reader alone, from `pending_at` on.
    pending: Vec<u8>,
    pending_at: usize,
    is_closing: bool,
    is_leaving: bool,
    /// When it came (unix milliseconds).
    since: u64,
    /// When it was last written to (of `Now::mono`).
    last_write: u64,
    /// Since when its socket takes nothing.
    stuck: Option<Stuck>,
    /// When it has to come back with a new request (of `Now::mono`).
    expires_at: u64,
}

impl Reader {
    pub(crate) fn new(
        subscription: Subscription,
        head: Vec<u8>,
        now: Now,
        expires_at: u64,
    ) -> Self {
        Self {
            subscription,
            pending: head,
            pending_at: 0,
            is_closing: false,
            is_leaving: false,
            since: now.unix,
            last_write: now.mono,
            stuck: None,
            expires_at,
        }
    }

    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending[self.pending_at..]
    }

    /// The server ends: this reader gets everything there is, held back or not, and a time to come back, in one piece where it fits.
    pub(crate) fn leave(&mut self) {
        self.is_leaving = true;
        self.subscription.hurry();
    }

    /// Everything that it will ever get has been taken from it to be written.
    pub(crate) fn is_done(&self) -> bool {
        self.is_closing && self.pending().is_empty()
    }

    /// `count` bytes of what is pending are written.
    pub(crate) fn consume(&mut self, count: usize, now: Now) {
        self.pending_at += count;
        self.note_write(now);
        if self.pending_at >= self.pending.len() {
            self.pending_at = 0;
            self.pending.clear();
            // An idle reader holds nothing.
            self.pending.shrink_to(0);
        }
    }

    /// `count` bytes of the shared batch are written: the cursor moves over whole events, the rest of a torn one becomes pending.
    pub(crate) fn consume_batch(&mut self, batch: &Batch, count: usize, now: Now) {
        self.note_write(now);
        let whole = batch.ends.partition_point(|&end| end <= count);
        let torn = whole.checked_sub(1).map_or(0, |last| batch.ends[last]) < count;
        if torn {
            self.pending
                .extend_from_slice(&batch.bytes[count..batch.ends[whole]]);
        }
        self.subscription
            .advance((whole + usize::from(torn)) as u64, torn);
    }

    fn note_write(&mut self, now: Now) {
        self.last_write = now.mono;
        self.stuck = None;
    }

    /// Its socket takes nothing now. `queued`: what the system holds for it.
    pub(crate) fn note_stuck(&mut self, queued: Option<u64>, now: Now) {
        let since = now.mono;
        self.stuck.get_or_insert(Stuck { since, queued });
    }

    /// How long something has waited for it, in milliseconds; 0: nothing does.
    pub(crate) fn stuck_for(&self, now: Now) -> u64 {
        let stuck = self.stuck.as_ref();
        stuck.map_or(0, |stuck| now.mono.saturating_sub(stuck.since))
    }

    /// What can be seen of it; `None`: nobody asks for it.
    pub(crate) fn report(
        &self,
        state: &State,
        question: &Question,
        path: &'static str,
        motion: Motion,
    ) -> Option<Report> {
        let subscription = &self.subscription;
        let guest = subscription.guest();
        if question
            .user
            .as_ref()
            .is_some_and(|user| *user != guest.user)
        {
            return None;
        }
        Some(Report {
            id: subscription.connection,
            guest: Arc::clone(guest),
            since: self.since,
            path,
            motion,
            streams: subscription.report(state, question.stream.as_deref()),
            missed: subscription.tally(),
        })
    }

    /// When it will have taken nothing for `patience` (of `Now::mono`), where something waits for it.
    pub(crate) fn stalls_at(&self, patience: u64) -> Option<u64> {
        let stuck = self.stuck.as_ref()?;
        Some(stuck.since.saturating_add(patience))
    }

    /// Whether it has taken nothing for `patience`. One that has taken only what the system held for it is slow, and has time again.
    pub(crate) fn is_stalled(&mut self, patience: u64, queued: Option<u64>, now: Now) -> bool {
        if self.stalls_at(patience).is_none_or(|due| now.mono < due) {
            return false;
        }
        let Some(stuck) = &mut self.stuck else {
            return false;
        };
        if queued >= stuck.queued {
            return true;
        }
        *stuck = Stuck {
            since: now.mono,
            queued,
        };
        false
    }

    /// What comes next.
    pub(crate) fn next(
        &mut self,
        state: &Mutex<State>,
        now: Now,
        shared: &mut SharedBatch,
    ) -> Next {
        if self.pending_at < self.pending.len() {
            return Next::Pending;
        }
        // Between two events: the reader resumes after the one before.
        if self.is_closing || now.mono >= self.expires_at {
            return Next::Close;
        }
        loop {
            let mut state = lock(state);
            let goes_at = self.subscription.goes_at(&state);
            if goes_at.is_some_and(|time| now.unix >= time) {
                self.is_closing = true;
                return Next::Close;
            }
            let (subscription, pending) = (&mut self.subscription, &mut self.pending);
            // All that was given so far is written.
            subscription.pay_visits(&mut state);
            let before = subscription.tally();
            let step = subscription.step(&state, now, ROOM_BYTES, pending);
            state.counters.count_missed(before, subscription.tally());
            if self.is_leaving {
                if self.take_leave(&step, &state, shared) {
                    return Next::Pending;
                }
            } else if step != Step::Again {
                return self.take_step(&step, &state, shared);
            }
        }
    }

    fn take_step(&mut self, step: &Step, state: &State, shared: &mut SharedBatch) -> Next {
        match *step {
            Step::Write => Next::Pending,
            Step::Close => {
                self.is_closing = true;
                Next::Close
            }
            Step::Copy { key, from, most } if shared.load(state, key, from, most) => Next::Batch,
            Step::Again | Step::Rest | Step::Copy { .. } => Next::Rest,
        }
    }

    /// Gathers a step of the last piece. Returns whether it is whole.
    fn take_leave(&mut self, step: &Step, state: &State, shared: &mut SharedBatch) -> bool {
        match *step {
            Step::Write | Step::Again => {}
            Step::Copy { key, from, most } if shared.load(state, key, from, most) => {
                self.pending.extend_from_slice(&shared.batch.bytes);
                let count = shared.batch.ends.len() as u64;
                self.subscription.advance(count, false);
            }
            Step::Rest | Step::Copy { .. } => {
                let retry = retry_line(state.options().reconnection_time);
                self.pending.extend_from_slice(&retry);
                self.is_closing = true;
            }
            Step::Close => self.is_closing = true,
        }
        self.is_closing || self.pending.len() >= ROOM_BYTES
    }

    /// Appends a keep-alive where the silence has lasted long enough and nothing is stuck.
    pub(crate) fn ping_if_silent(&mut self, state: &State, now: Now) {
        let interval = self.subscription.ping_interval(state);
        if self.pending().is_empty() && now.mono >= self.last_write.saturating_add(interval) {
            self.subscription.ping(state, now, &mut self.pending);
        }
    }

    /// When it needs a look although nothing happens (of `Now::mono`), always after `now`: what is due and could not be said waits for
    /// its reader, and looking again at once would find it waiting still.
    pub(crate) fn deadline(&self, state: &State, now: Now) -> u64 {
        let interval = self.subscription.ping_interval(state);
        let ping = self.last_write.saturating_add(interval);
        let patience = state.options().stall_timeout.map(millis);
        let stall = patience.and_then(|patience| self.stalls_at(patience));
        let telling = self.subscription.next_deadline(state);
        let goes_at = self.subscription.goes_at(state);
        let leave = goes_at.map(|time| now.mono.saturating_add(time.saturating_sub(now.unix)));
        let due = ping
            .min(stall.unwrap_or(u64::MAX))
            .min(telling.unwrap_or(u64::MAX))
            .min(self.expires_at)
            .min(leave.unwrap_or(u64::MAX));
        if due > now.mono {
            due
        } else {
            now.mono + interval
        }
    }
}
