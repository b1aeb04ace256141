//! What one subscriber gets: a cursor in each of its streams, and the text that brings it up to date.
//!
//! Pure: it reads the state and appends bytes; who writes them where is the reactor's matter. A subscription owns cursors, never a
//! queue, so a slow one costs nothing and being live is nothing but a replay at the tail.

mod choice;
mod visitor;

use std::sync::Arc;
use std::time::Duration;

use jupyter_sse_codec::Position;
use serde_json::json;

use crate::clock::{Now, millis};
use crate::conflate::Pace;
use crate::control;
use crate::counters::Tally;
use crate::cursor::Cursor;
use crate::log::IdLine;
use crate::report::StreamReport;
use crate::roster::{ConnectionName, Guest};
use crate::start::Start;
use crate::state::{State, StreamKey};
use crate::token::{TokenDigest, digest};
use visitor::Visitor;

/// The most streams of one subscription: each look at it looks at all of them.
pub const MAX_STREAMS: usize = 1000;

/// The bounds of a keep-alive's interval, in milliseconds: what streams ask for is not trusted with the hub's timers.
const LEAST_PING_INTERVAL: u64 = 50;
const MOST_PING_INTERVAL: u64 = 24 * 3600 * 1000;

/// What a subscriber asked for.
#[derive(Debug, Clone, Copy, Default)]
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
    /// Every append time is told, not one for each sixtieth of a second.
    pub exact_times: bool,
    /// Reads what there is and goes: others are not told of it as of a reader.
    pub passing: bool,
    /// Goes on with the newest event, not the oldest held, after falling behind.
    pub latest_when_slow: bool,
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
    /// There is more to be looked at: ask again, after others had the state.
    Again,
    /// Nothing to write before something changes.
    Rest,
    /// It has got everything it will get: write what is pending, then close.
    Close,
}

/// Streams that were asked for beyond [`MAX_STREAMS`], until the reader is told.
#[derive(Debug, Default)]
struct Refused {
    /// As many at the most.
    names: Vec<String>,
    /// How many more there were.
    more: u64,
}

impl Refused {
    fn tell(&self, out: &mut Vec<u8>) {
        let message = format!("one connection reads at most {MAX_STREAMS} streams");
        for name in &self.names {
            control::write_refused(out, Some(name), 429, &message);
        }
        if self.more > 0 {
            let message = format!("{message}; {} more", self.more);
            control::write_refused(out, None, 429, &message);
        }
    }
}

/// See the module's text. What few readers need stands in boxes: there may be tens of thousands of them.
#[derive(Debug)]
pub struct Subscription {
    wants: Wants,
    /// Its connection.
    pub connection: ConnectionName,
    guest: Arc<Guest>,
    cursors: Vec<Cursor>,
    refused: Option<Box<Refused>>,
    is_opened: bool,
    is_ended: bool,
    /// Many streams: whether the reader's last event ID stands for all of them.
    has_joint_cursor: bool,
    /// Events written since somebody asked.
    written: u64,
    /// When events are written, where not at once.
    pace: Option<Box<Pace>>,
    /// What it did not get of streams that it does not read any more.
    missed_before: Tally,
    /// The token that it came with.
    token: Option<Box<TokenDigest>>,
    /// `None`: all that it reads has a name, and will.
    visitor: Option<Box<Visitor>>,
}

impl Subscription {
    /// Of no stream so far.
    pub(crate) fn new(wants: Wants, guest: Arc<Guest>) -> Self {
        Self {
            wants,
            connection: ConnectionName::draw(),
            guest,
            token: None,
            pace: None,
            // Most read one stream: room for more would be two thirds of what an idle subscriber takes.
            cursors: Vec::with_capacity(1),
            refused: None,
            is_opened: false,
            is_ended: false,
            has_joint_cursor: false,
            written: 0,
            missed_before: Tally::default(),
            visitor: None,
        }
    }

    /// Is given no more than one event of a stream and type in `conflate`, and nothing when its token is no good any more.
    pub(crate) fn limit(&mut self, conflate: Option<Duration>, token: Option<&str>) {
        self.pace = conflate.map(|interval| Box::new(Pace::new(millis(interval))));
        self.token = token.map(|token| Box::new(digest(token)));
    }

    /// Who reads.
    pub(crate) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Reads one stream, by its own URL: its set of streams cannot change.
    pub fn is_single(&self) -> bool {
        self.wants.single
    }

    /// Adds a stream, its cursor fixed now. Beyond [`MAX_STREAMS`] the reader is told of a refusal instead.
    ///
    /// Returns `false` where the reader has seen the end of a stream that is still ended.
    pub(crate) fn add(&mut self, state: &State, name: &str, start: &Start) -> bool {
        self.remove(name);
        if self.cursors.len() >= MAX_STREAMS {
            let refused = self.refused.get_or_insert_default();
            if refused.names.len() < MAX_STREAMS {
                refused.names.push(name.to_owned());
            } else {
                refused.more += 1;
            }
            return true;
        }
        let mut cursor = Cursor::begin(state, name, start);
        if let (None, Some(visitor)) = (cursor.key, &mut self.visitor) {
            visitor.note_cursor(name, start);
        }
        if self.pace.is_some() {
            cursor.conflate();
        }
        let stream = cursor.stream(state);
        let has_seen_end = stream.is_some_and(|stream| cursor.has_seen_end(stream));
        self.cursors.push(cursor);
        self.has_joint_cursor = false;
        !has_seen_end
    }

    /// Takes a stream out of the set.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(visitor) = &mut self.visitor {
            visitor.forget_cursor(name);
        }
        for gone in self.cursors.extract_if(.., |cursor| *cursor.name == *name) {
            self.missed_before += gone.tally();
        }
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
            .map(|cursor| &*cursor.name)
    }

    /// Finds streams that were missing, and gives up those that are gone: [`Subscription::keys`] and [`Subscription::missing`] tell
    /// afterwards what is so now.
    pub(crate) fn look_up(&mut self, state: &State) {
        for cursor in &mut self.cursors {
            // The reader's last event ID does not stand for a stream that was not there.
            let (_, is_found) = cursor.look_up(state);
            self.has_joint_cursor &= !is_found;
        }
    }

    /// Silence before a keep-alive, in milliseconds: the shortest of what its streams have, each its own or the server's.
    pub(crate) fn ping_interval(&self, state: &State) -> u64 {
        let usual = millis(state.options().ping_interval);
        let own = |key| Some(state.stream(key)?.ping_interval.unwrap_or(usual));
        self.keys()
            .filter_map(own)
            .min()
            .unwrap_or(usual)
            .clamp(LEAST_PING_INTERVAL, MOST_PING_INTERVAL)
    }

    /// Wants to hear of runs, states and times: not only of events.
    pub fn hears_states(&self) -> bool {
        self.wants.control
    }

    /// Reads what there is and goes.
    pub fn is_passing(&self) -> bool {
        self.wants.passing
    }

    /// `count` events of a [`Step::Copy`] have been written; of the last one only a part where it `is_torn`.
    pub fn advance(&mut self, count: u64, is_torn: bool) {
        if let Some(cursor) = self.cursors.first_mut() {
            cursor.advance(count, is_torn);
        }
        self.written += count;
    }

    /// The last `count` events of a [`Step::Copy`] are written by somebody else, and are on their way until the next [`Step`] is asked for.
    pub(crate) fn give_away(&mut self, count: u64) {
        if let Some(cursor) = self.cursors.first_mut() {
            cursor.give_away(count);
        }
    }

    /// How many events were written since this was last asked, for the counters.
    pub(crate) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    /// Where its reader is in each of its streams.
    pub(crate) fn report(&self, state: &State, only: Option<&str>) -> Vec<StreamReport> {
        let is_asked_for = |cursor: &&Cursor| only.is_none_or(|name| *cursor.name == *name);
        let cursors = self.cursors.iter().filter(is_asked_for);
        cursors.map(|cursor| cursor.report(state)).collect()
    }

    /// What it did not get so far, by its own doing.
    pub(crate) fn tally(&self) -> Tally {
        let mut all = self.missed_before;
        for cursor in &self.cursors {
            all += cursor.tally();
        }
        all
    }

    /// When it has to go because of the token that it came with (unix milliseconds): at once where that was taken back.
    pub(crate) fn goes_at(&self, state: &State) -> Option<u64> {
        let token = self.token.as_ref()?;
        Some(state.tokens.expires_at(token).unwrap_or_default())
    }

    /// Appends a keep-alive.
    pub(crate) fn ping(&self, state: &State, now: Now, out: &mut Vec<u8>) {
        if !self.wants.control {
            out.extend_from_slice(b": ping\n\n");
            return;
        }
        let id = self.resume_point(state).map(|point| point.to_string());
        control::write(out, "sse.ping", id.as_deref(), &json!({"at": now.unix}));
    }

    /// Appends what comes next, up to about `room` bytes, or says what to copy.
    pub(crate) fn step(&mut self, state: &State, now: Now, room: usize, out: &mut Vec<u8>) -> Step {
        let before = out.len();
        self.cursors.iter_mut().for_each(Cursor::settle);
        self.open(out);
        if self.is_ended {
            return Step::Close;
        }
        self.announce(state, now, out);
        if !self.choose(state, now) {
            return if out.len() > before {
                Step::Write
            } else {
                Step::Again
            };
        }
        if let Some(step) = self.copy_step(state) {
            return if out.len() > before {
                Step::Write
            } else {
                step
            };
        }
        while out.len() - before < room && self.write_due(state, before + room, out) {}
        for cursor in &mut self.cursors {
            cursor.finish_release(cursor.stream(state));
        }
        self.catch_up(state, now, out);
        if out.len() > before {
            Step::Write
        } else {
            Step::Rest
        }
    }

    /// When something untold must be told, although nothing happens (of `Now::mono`).
    pub(crate) fn next_deadline(&self, state: &State) -> Option<u64> {
        let due = |cursor: &Cursor| cursor.state_due_at(cursor.stream(state)?);
        let telling = self.cursors.iter().filter_map(due).min();
        let telling = telling.filter(|_| self.wants.control);
        let pace = self.pace.as_deref().filter(|_| self.owes(state));
        let release = pace.map(Pace::next_at);
        telling.into_iter().chain(release).min()
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        if !self.is_opened && self.wants.control {
            let data = json!({"connection": self.connection.as_str()});
            control::write(out, "sse.open", None, &data);
        }
        self.is_opened = true;
    }

    /// What must be said before the next event of each stream: refusals, gaps, runs, states.
    fn announce(&mut self, state: &State, now: Now, out: &mut Vec<u8>) {
        if let Some(refused) = self.refused.take() {
            refused.tell(out);
        }
        for cursor in &mut self.cursors {
            let (stream, is_found) = cursor.look_up(state);
            if let Some(stream) = stream {
                cursor.notice_overflow(stream, self.wants.latest_when_slow);
            }
            // A gap puts the stream ahead of the others: no position of theirs stands for it, as for one that was not there.
            let has_gap = cursor.tell_gap(state, out);
            self.has_joint_cursor &= !is_found && !has_gap;
            match stream {
                Some(stream) if self.wants.control => {
                    cursor.tell_run(stream, out);
                    cursor.tell_state(stream, now, out);
                }
                None if !self.wants.single => cursor.tell_missing(out),
                _ => {}
            }
        }
    }

    /// The cheap way, open to a reader of one stream who wants events as they stand: bytes are shared with all others like it.
    fn copy_step(&self, state: &State) -> Option<Step> {
        let [cursor] = self.cursors.as_slice() else {
            return None;
        };
        if !self.wants.single || self.wants.control || self.wants.positions || self.is_conflating()
        {
            return None;
        }
        let key = cursor.key?;
        let most = cursor.plain_events(state.stream(key)?);
        (most > 0).then_some(Step::Copy {
            key,
            from: cursor.next,
            most,
        })
    }

    /// Writes what has the least place of all that is due, and what follows it in the same stream before another's turn comes. Returns
    /// whether there was anything.
    fn write_due(&mut self, state: &State, full: usize, out: &mut Vec<u8>) -> bool {
        let (mut least, mut second) = (None, u64::MAX);
        for (at, cursor) in self.cursors.iter().enumerate() {
            let due = cursor.stream(state).and_then(|stream| cursor.due(stream));
            match (due, least) {
                (Some(due), Some((first, _))) if due >= first => second = second.min(due),
                (Some(due), _) => {
                    second = least.map_or(second, |(first, _)| first);
                    least = Some((due, at));
                }
                (None, _) => {}
            }
        }
        let Some((_, at)) = least else { return false };
        let id = self.id_line();
        let cursor = &mut self.cursors[at];
        let Some(stream) = cursor.stream(state) else {
            return false;
        };
        let qualifier = (!self.wants.single).then_some(&*stream.name);
        loop {
            if !cursor.tell_loss(stream, out) {
                if self.wants.control {
                    cursor.tell_run(stream, out);
                    cursor.tell_time(stream, self.wants.exact_times, out);
                }
                cursor.write_event(state, stream, qualifier, id, out);
                self.written += 1;
            }
            if out.len() >= full || cursor.due(stream).is_none_or(|due| due >= second) {
                return true;
            }
        }
    }

    fn id_line(&self) -> IdLine {
        match (self.wants.single, self.wants.positions) {
            (true, false) => IdLine::Own,
            (true, true) => IdLine::Position,
            (false, _) if self.has_joint_cursor => IdLine::Position,
            (false, _) => IdLine::Absent,
        }
    }

    /// What is said when everything that is held of a stream, or of all, has been written.
    fn catch_up(&mut self, state: &State, now: Now, out: &mut Vec<u8>) {
        let mut has_all = true;
        for cursor in &mut self.cursors {
            let Some(stream) = cursor.stream(state) else {
                continue;
            };
            if !cursor.is_caught_up(stream) {
                has_all = false;
                continue;
            }
            if self.wants.control {
                cursor.tell_run(stream, out);
                cursor.tell_state(stream, now, out);
                cursor.tell_ready(state, stream, out);
            }
            cursor.is_replaying = false;
        }
        if has_all && !self.wants.single && !self.has_joint_cursor && self.keys().next().is_some() {
            self.has_joint_cursor = true;
            if let Some(point) = self.resume_point(state) {
                out.extend_from_slice(format!("id: {point}\n\n").as_bytes());
            }
        }
        for cursor in &mut self.cursors {
            let Some(stream) = cursor
                .stream(state)
                .filter(|stream| cursor.is_caught_up(stream))
            else {
                continue;
            };
            if cursor.tell_end(stream, self.wants.single, state.epoch(), out) {
                self.is_ended = self.wants.single;
            }
        }
    }

    /// The position after which a reader that has got everything misses nothing; `None` while it has not.
    fn resume_point(&self, state: &State) -> Option<Position> {
        if state.seq() == 0 || !self.cursors.iter().all(|cursor| cursor.has_all(state)) {
            return None;
        }
        // One stream: its `n` counts exactly what is missing should all be gone when the reader returns.
        let n = match self.cursors.as_slice() {
            [cursor] if self.wants.single => cursor.next.saturating_sub(1),
            _ => 0,
        };
        Some(Position {
            epoch: *state.epoch(),
            seq: state.seq(),
            n,
        })
    }
}

#[cfg(test)]
#[path = "subscription_test.rs"]
mod tests;
