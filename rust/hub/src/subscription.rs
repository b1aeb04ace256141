//! What one subscriber gets: a cursor in each of its streams, and the text that brings it up to date.
//!
//! Pure: it reads the state and appends bytes; who writes them where is the reactor's matter. A subscription owns cursors, never a
//! queue, so a slow one costs nothing and being live is nothing but a replay at the tail.

use jupyter_sse_codec::end_id;
use serde_json::json;

use crate::clock::{Now, millis};
use crate::control::{self, Gap, GapReason};
use crate::cursor::{Resolved, Start, resolve};
use crate::log::IdLine;
use crate::state::{State, StreamKey};
use crate::stream::{RunState, Stream};

/// How long an append time that was told stands for the events after it, in milliseconds.
const TIME_STEP: u64 = 100;
/// How long a changed number of subscribers may stay untold, in milliseconds.
const STATE_STEP: u64 = 1000;

/// The bounds of a keep-alive's interval, in milliseconds: what streams ask for is not trusted with the hub's timers.
const LEAST_PING_INTERVAL: u64 = 50;
const MOST_PING_INTERVAL: u64 = 24 * 3600 * 1000;

/// What a subscriber asked for.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one parameter of a request"
)]
pub struct Wants {
    /// One stream, by its own URL: types as they are; the connection ends with the stream.
    pub single: bool,
    /// Our own clients: `sse.open`, `sse.run`, `sse.state`, `sse.time`, `sse.ready`, `sse.ping`.
    pub control: bool,
    /// Positions as ids, also where the producer gave its own.
    pub positions: bool,
    /// Goes on with the newest event, not the oldest held, after falling behind.
    pub latest_when_slow: bool,
    /// Who asks.
    pub user: String,
}

#[derive(Debug)]
struct Cursor {
    name: String,
    start: Start,
    /// `None` until the stream exists.
    key: Option<StreamKey>,
    /// `n` of the next event to write.
    next: u64,
    gap: Option<Gap>,
    is_replaying: bool,
    told: Told,
}

/// What this reader knows of a stream.
#[derive(Debug, Default)]
struct Told {
    run: u32,
    end_of_run: u32,
    time: Option<u64>,
    state: Option<(&'static str, usize)>,
    state_at: u64,
    hole_before: u64,
    missing: bool,
}

/// What to do with a subscription next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Write what was appended, then ask again.
    Write,
    /// Write up to `most` events of this log from `from` on, exactly as they stand (see `Log::copy_wire`), say how many with
    /// [`Subscription::advance`], then ask again.
    Copy {
        /// The log's stream.
        key: StreamKey,
        /// `n` of the first event.
        from: u64,
        /// How many at the most.
        most: u64,
    },
    /// Nothing to write before something changes.
    Rest,
    /// It has got everything it will get: write what is pending, then close.
    Close,
}

/// See the module's text.
#[derive(Debug)]
pub struct Subscription {
    wants: Wants,
    /// Names the connection for `POST /api/sse/connections/<id>`.
    pub connection: String,
    cursors: Vec<Cursor>,
    is_opened: bool,
    is_ended: bool,
    /// Many streams: whether the reader's last event ID stands for all of them.
    has_joint_cursor: bool,
    /// Events written since somebody asked.
    written: u64,
}

impl Subscription {
    pub(crate) fn new(wants: Wants, connection: String) -> Self {
        Self {
            wants,
            connection,
            cursors: Vec::new(),
            is_opened: false,
            is_ended: false,
            has_joint_cursor: false,
            written: 0,
        }
    }

    /// Who reads.
    pub fn user(&self) -> &str {
        &self.wants.user
    }

    /// Adds a stream, its cursor fixed now.
    ///
    /// Returns `false` where the reader has seen the end of a stream that is still ended.
    pub(crate) fn add(&mut self, state: &State, name: &str, start: Start) -> bool {
        self.remove(name);
        let mut cursor = Cursor {
            name: name.to_owned(),
            start,
            key: None,
            next: 1,
            gap: None,
            is_replaying: true,
            told: Told::default(),
        };
        let is_readable = cursor.find_stream(state, self.wants.single);
        self.cursors.push(cursor);
        self.has_joint_cursor = false;
        is_readable
    }

    /// Takes a stream out of the set. Returns its key where the stream exists.
    pub(crate) fn remove(&mut self, name: &str) -> Option<StreamKey> {
        let at = self.cursors.iter().position(|cursor| cursor.name == name)?;
        self.cursors.remove(at).key
    }

    /// The streams that it reads, as far as they exist.
    pub fn keys(&self) -> impl Iterator<Item = StreamKey> + '_ {
        self.cursors.iter().filter_map(|cursor| cursor.key)
    }

    /// The streams that it waits for.
    pub fn missing(&self) -> impl Iterator<Item = &str> + '_ {
        self.cursors
            .iter()
            .filter(|cursor| cursor.key.is_none())
            .map(|cursor| cursor.name.as_str())
    }

    /// A stream that it waited for may exist now.
    pub(crate) fn find_streams(&mut self, state: &State) {
        for cursor in self
            .cursors
            .iter_mut()
            .filter(|cursor| cursor.key.is_none())
        {
            cursor.find_stream(state, self.wants.single);
        }
    }

    /// A stream was removed for good: wait for its name to come back.
    pub(crate) fn lose_stream(&mut self, key: StreamKey) {
        for cursor in self
            .cursors
            .iter_mut()
            .filter(|cursor| cursor.key == Some(key))
        {
            cursor.key = None;
            cursor.start = Start::Earliest;
            cursor.told = Told::default();
        }
    }

    /// Silence before a keep-alive, in milliseconds.
    pub(crate) fn ping_interval(&self, state: &State) -> u64 {
        let chosen = self
            .keys()
            .filter_map(|key| state.stream(key)?.ping_interval)
            .min();
        chosen
            .unwrap_or_else(|| millis(state.options().ping_interval))
            .clamp(LEAST_PING_INTERVAL, MOST_PING_INTERVAL)
    }

    /// Wants to hear of runs, states and times: not only of events.
    pub fn hears_states(&self) -> bool {
        self.wants.control
    }

    /// `count` events of a [`Step::Copy`] have been written.
    pub fn advance(&mut self, count: u64) {
        if let Some(cursor) = self.cursors.first_mut() {
            cursor.next += count;
        }
        self.written += count;
    }

    /// How many events were written since this was last asked, for the counters.
    pub(crate) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    /// Appends a keep-alive.
    pub(crate) fn ping(&self, state: &State, now: Now, out: &mut Vec<u8>) {
        if !self.wants.control {
            out.extend_from_slice(b": ping\n\n");
            return;
        }
        let id = self.resume_point(state);
        control::write(out, "sse.ping", id.as_deref(), &json!({"at": now.unix}));
    }

    /// Appends what comes next, up to about `room` bytes, or says what to copy.
    pub(crate) fn step(&mut self, state: &State, now: Now, room: usize, out: &mut Vec<u8>) -> Step {
        let before = out.len();
        self.open(out);
        if self.is_ended {
            return Step::Close;
        }
        self.announce(state, now, out);
        if let Some(step) = self.copy_step(state) {
            return if out.len() > before {
                Step::Write
            } else {
                step
            };
        }
        while out.len() - before < room && self.write_next_event(state, out) {}
        if self.cursors.iter().all(|cursor| cursor.is_caught_up(state)) {
            self.catch_up(state, now, out);
        }
        if out.len() > before {
            Step::Write
        } else {
            Step::Rest
        }
    }

    /// When something untold must be told, although nothing happens (of `Now::mono`).
    pub(crate) fn next_deadline(&self, state: &State) -> Option<u64> {
        if !self.wants.control {
            return None;
        }
        let late = |cursor: &Cursor| {
            let stream = state.stream(cursor.key?)?;
            let told = cursor.told.state?;
            (told.1 != stream.subscribers).then_some(cursor.told.state_at + STATE_STEP)
        };
        self.cursors.iter().filter_map(late).min()
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        if !self.is_opened && self.wants.control {
            control::write(
                out,
                "sse.open",
                None,
                &json!({"connection": self.connection}),
            );
        }
        self.is_opened = true;
    }

    /// What must be said before the next event of each stream: refusals, gaps, runs, states.
    fn announce(&mut self, state: &State, now: Now, out: &mut Vec<u8>) {
        let (epoch, has_control) = (*state.epoch(), self.wants.control);
        let skips_to_latest = self.wants.latest_when_slow;
        for cursor in &mut self.cursors {
            let Some(stream) = cursor.key.and_then(|key| state.stream(key)) else {
                if !cursor.told.missing && !self.wants.single {
                    cursor.told.missing = true;
                    control::write_refused(
                        out,
                        &cursor.name,
                        404,
                        "there is no such stream on this server yet",
                    );
                }
                continue;
            };
            cursor.notice_overflow(stream, skips_to_latest);
            if let Some(gap) = cursor.gap.take() {
                let resumed = stream
                    .log
                    .entry(cursor.next)
                    .map(|entry| format!("{epoch}-{}-{}", entry.seq, cursor.next));
                control::write_gap(out, &stream.name, &gap, resumed.as_deref());
            }
            if has_control {
                cursor.tell_run(stream, out);
                cursor.tell_state(stream, now, out);
            }
        }
    }

    /// The cheap way, open to a reader of one stream who wants events as they stand: bytes are shared with all others like it.
    fn copy_step(&self, state: &State) -> Option<Step> {
        let [cursor] = self.cursors.as_slice() else {
            return None;
        };
        if !self.wants.single || self.wants.control || self.wants.positions {
            return None;
        }
        let key = cursor.key?;
        let stream = state.stream(key)?;
        let limit = stream
            .hole_from(cursor.next.max(cursor.told.hole_before + 1))
            .map_or(u64::MAX, |hole| hole.before);
        let most = stream.log.next().min(limit).saturating_sub(cursor.next);
        (most > 0).then_some(Step::Copy {
            key,
            from: cursor.next,
            most,
        })
    }

    /// Writes the event with the least position of all that are due.
    fn write_next_event(&mut self, state: &State, out: &mut Vec<u8>) -> bool {
        let due = |cursor: &Cursor| Some(state.stream(cursor.key?)?.log.entry(cursor.next)?.seq);
        let least = self
            .cursors
            .iter()
            .enumerate()
            .filter_map(|(at, cursor)| Some((due(cursor)?, at)))
            .min();
        let Some((_, at)) = least else { return false };
        let id = if self.wants.single {
            if self.wants.positions {
                IdLine::Position
            } else {
                IdLine::Own
            }
        } else if self.has_joint_cursor {
            IdLine::Position
        } else {
            IdLine::Absent
        };
        let cursor = &mut self.cursors[at];
        let Some(stream) = cursor.key.and_then(|key| state.stream(key)) else {
            return false;
        };
        cursor.tell_hole(stream, out);
        if self.wants.control {
            cursor.tell_run(stream, out);
            cursor.tell_time(stream, out);
        }
        let qualifier = (!self.wants.single).then_some(stream.name.as_str());
        stream
            .log
            .copy_event(state.epoch(), cursor.next, qualifier, id, out);
        cursor.next += 1;
        self.written += 1;
        true
    }

    /// Everything that is held has been written.
    fn catch_up(&mut self, state: &State, now: Now, out: &mut Vec<u8>) {
        let epoch = *state.epoch();
        for cursor in &mut self.cursors {
            let Some(stream) = cursor.key.and_then(|key| state.stream(key)) else {
                continue;
            };
            cursor.tell_hole(stream, out);
            if self.wants.control {
                cursor.tell_run(stream, out);
                cursor.tell_state(stream, now, out);
            }
            if cursor.is_replaying {
                cursor.is_replaying = false;
                if self.wants.control {
                    control::write(out, "sse.ready", None, &json!({"stream": stream.name}));
                }
            }
        }
        if !self.wants.single && !self.has_joint_cursor && self.keys().next().is_some() {
            self.has_joint_cursor = true;
            if let Some(id) = self.resume_point(state) {
                out.extend_from_slice(format!("id: {id}\n\n").as_bytes());
            }
        }
        for cursor in &mut self.cursors {
            let Some(stream) = cursor.key.and_then(|key| state.stream(key)) else {
                continue;
            };
            let RunState::Ended(end) = &stream.state else {
                continue;
            };
            if cursor.told.end_of_run == stream.run.number {
                continue;
            }
            cursor.told.end_of_run = stream.run.number;
            let id = self
                .wants
                .single
                .then(|| end_id(epoch, u64::from(stream.run.number)));
            control::write_end(out, stream, end, id.as_deref());
            self.is_ended = self.wants.single;
        }
    }

    /// The position after which a reader that has got everything misses nothing; `None` while it has not.
    fn resume_point(&self, state: &State) -> Option<String> {
        let is_caught_up = self
            .cursors
            .iter()
            .all(|cursor| cursor.is_caught_up(state) && !cursor.is_replaying);
        if !is_caught_up || state.seq() == 0 {
            return None;
        }
        let newest = |cursor: &Cursor| {
            let n = cursor.next.checked_sub(1)?;
            Some((state.stream(cursor.key?)?.log.entry(n)?.seq, n))
        };
        match self.cursors.iter().filter_map(newest).max() {
            Some((seq, n)) => Some(format!("{}-{seq}-{n}", state.epoch())),
            None => Some(format!("{}-{}-0", state.epoch(), state.seq())),
        }
    }
}

impl Cursor {
    /// Fixes the cursor as soon as the stream exists. Returns `false` where the reader has seen its end.
    fn find_stream(&mut self, state: &State, is_only: bool) -> bool {
        let Some((key, stream)) = state.find(&self.name) else {
            return true;
        };
        self.key = Some(key);
        match resolve(stream, &self.start, state.epoch(), state.seq(), is_only) {
            Resolved::From { next, gap } => {
                self.next = next;
                self.gap = gap;
                true
            }
            Resolved::SeenEnd => {
                self.next = stream.log.next();
                self.told.end_of_run = stream.run.number;
                false
            }
        }
    }

    fn is_caught_up(&self, state: &State) -> bool {
        self.key
            .and_then(|key| state.stream(key))
            .is_none_or(|stream| self.next >= stream.log.next())
    }

    /// The reader was too slow for the live window.
    fn notice_overflow(&mut self, stream: &Stream, skips_to_latest: bool) {
        if self.next >= stream.log.first() {
            return;
        }
        let first = if skips_to_latest {
            stream.log.next()
        } else {
            stream.log.first()
        };
        let earlier = self.gap.take();
        let count = first - self.next + earlier.as_ref().and_then(|gap| gap.count).unwrap_or(0);
        self.gap = Some(Gap {
            reason: earlier
                .as_ref()
                .map_or(GapReason::Overflow, |gap| gap.reason),
            lost: Some((
                earlier
                    .as_ref()
                    .and_then(|gap| gap.lost)
                    .map_or(self.next, |lost| lost.0),
                first - 1,
            )),
            count: earlier
                .as_ref()
                .is_none_or(|gap| gap.count.is_some())
                .then_some(count),
            requested: earlier.and_then(|gap| gap.requested),
        });
        self.next = first;
    }

    fn tell_hole(&mut self, stream: &Stream, out: &mut Vec<u8>) {
        let Some(hole) = stream
            .hole_from(self.next)
            .filter(|hole| hole.before == self.next)
        else {
            return;
        };
        if self.told.hole_before >= hole.before {
            return;
        }
        self.told.hole_before = hole.before;
        let gap = Gap {
            reason: GapReason::Overflow,
            requested: None,
            lost: None,
            count: Some(hole.count),
        };
        control::write_gap(out, &stream.name, &gap, None);
    }

    fn tell_run(&mut self, stream: &Stream, out: &mut Vec<u8>) {
        let Some(run) = stream.marks.iter().rev().find(|run| run.first <= self.next) else {
            return;
        };
        if self.told.run >= run.number {
            return;
        }
        self.told.run = run.number;
        self.told.time = None;
        control::write_run(out, stream, run);
    }

    fn tell_state(&mut self, stream: &Stream, now: Now, out: &mut Vec<u8>) {
        let is = (stream.state_name(), stream.subscribers);
        if let Some(told) = self.told.state {
            let is_due = told.0 != is.0 || now.mono >= self.told.state_at + STATE_STEP;
            if told == is || !is_due {
                return;
            }
        }
        self.told.state = Some(is);
        self.told.state_at = now.mono;
        control::write_state(out, stream);
    }

    fn tell_time(&mut self, stream: &Stream, out: &mut Vec<u8>) {
        let Some(at) = stream.log.entry(self.next).map(|entry| entry.at) else {
            return;
        };
        if self.told.time.is_some_and(|told| at < told + TIME_STEP) {
            return;
        }
        self.told.time = Some(at);
        control::write(
            out,
            "sse.time",
            None,
            &json!({"stream": stream.name, "at": at}),
        );
    }
}
