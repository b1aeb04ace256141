//! Where one subscriber stands in one stream, and what it has been told of it.

mod view;
mod visit;

use std::sync::Arc;

use jupyter_sse_codec::{Epoch, Position, end_id};
use serde_json::json;

use crate::clock::Now;
use crate::conflate::{Held, Lost};
use crate::control::{self, Gap, GapReason};
use crate::counters::Tally;
use crate::holes::Hole;
use crate::log::IdLine;
use crate::start::{Resolved, Start, resolve, resolve_missing};
use crate::state::{State, StreamKey};
use crate::stream::{RunState, Stream};

/// How long an append time that was told stands for the events after it, in milliseconds: a frame of the screen. With a tenth of a second a
/// smooth curve of 50 events a second is drawn with visible steps.
const TIME_STEP: u64 = 16;
/// How long a changed number of subscribers may stay untold, in milliseconds.
const STATE_STEP: u64 = 1000;

/// See the module's text. What few readers need stands in boxes: there may be tens of thousands of cursors.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) name: Arc<str>,
    /// `None` while there is no such stream: everything in the next of its name will be news.
    pub(crate) key: Option<StreamKey>,
    /// Where the numbers began that `next` is one of, among all events of the server.
    birth_seq: u64,
    /// The hub's place at the last look that found no stream: up to it nothing can be missing but what the reader was told.
    seen_seq: u64,
    /// `n` of the next event to write.
    pub(crate) next: u64,
    /// `n` of the first event that is not known to be written: `next`, but for what is on its way to the reader.
    settled: u64,
    /// How many of the events that its producers lost the reader knows of.
    lost: u64,
    gap: Option<Box<Gap>>,
    /// What is held back of the events before `next`, for a reader that wants fewer.
    held: Option<Box<Held>>,
    pub(crate) is_replaying: bool,
    /// The run whose end the reader has seen.
    ended_run: u32,
    told: Option<Box<Told>>,
    /// What it did not get; see [`Cursor::tally`].
    missed: Tally,
}

/// What a reader knows of a stream that hears of more than its events.
#[derive(Debug, Default)]
struct Told {
    run: u32,
    time: Option<u64>,
    state: Option<ToldState>,
    state_at: u64,
    missing: bool,
}

/// State, number of readers, and how many events were left out.
type ToldState = (&'static str, usize, Option<u64>);

impl Cursor {
    /// A cursor at `start`, fixed now.
    pub(crate) fn begin(state: &State, name: &str, start: &Start) -> Self {
        let found = state.find(name);
        let mut cursor = Self {
            name: found.map_or_else(|| Arc::from(name), |(_, it)| Arc::clone(&it.name)),
            key: found.map(|(key, _)| key),
            birth_seq: 0,
            seen_seq: if found.is_some() { 0 } else { state.seq() },
            next: 1,
            settled: 1,
            lost: 0,
            gap: None,
            held: None,
            is_replaying: true,
            ended_run: 0,
            told: None,
            missed: Tally::default(),
        };
        match found {
            Some((_, stream)) => cursor.begin_in(stream, state, start),
            None => cursor.wait(state, start),
        }
        cursor
    }

    fn begin_in(&mut self, stream: &Stream, state: &State, start: &Start) {
        self.birth_seq = stream.log.birth_seq();
        match resolve(stream, start, state.epoch(), state.seq()) {
            Resolved::From { next, lost, gap } => {
                (self.next, self.lost) = (next, lost);
                self.gap = gap.map(Box::new);
            }
            Resolved::SeenEnd => {
                (self.next, self.lost) = (stream.log.next(), stream.holes.total());
                self.ended_run = stream.run.number;
            }
        }
    }

    fn wait(&mut self, state: &State, start: &Start) {
        let last = state.departed(&self.name);
        let gap = resolve_missing(&last, start, state.epoch(), state.seq());
        self.gap = gap.map(Box::new);
        (self.next, self.lost) = (last.n + 1, last.lost);
        self.birth_seq = last.birth_seq.unwrap_or_default();
    }

    /// Gets only the newest of each type, when its time has come.
    pub(crate) fn conflate(&mut self) {
        self.held = Some(Box::default());
    }

    /// Looks for the stream that it waits for. Returns whether it is there.
    fn find(&mut self, state: &State) -> bool {
        let Some((key, stream)) = state.find(&self.name) else {
            return false;
        };
        (self.key, self.name) = (Some(key), Arc::clone(&stream.name));
        // What came before this look came after the asking: it is news.
        self.renumber(state, stream.log.birth_seq());
        true
    }

    /// A stream's numbers began at `birth_seq`. Where those that this reader knows began elsewhere, the stream was forgotten meanwhile,
    /// and nobody knows what came in it last.
    fn renumber(&mut self, state: &State, birth_seq: u64) {
        if birth_seq != self.birth_seq {
            self.doubt(state);
            (self.next, self.lost, self.birth_seq) = (1, 0, birth_seq);
        }
    }

    /// Something was forgotten since the last look. It may have been of this stream.
    fn doubt(&mut self, state: &State) {
        if state.forgotten_seq() > self.seen_seq.max(self.birth_seq) {
            let gap = self.gap.get_or_insert_with(|| Box::new(Gap::unknown()));
            (gap.lost, gap.count, gap.is_mixed) = (None, None, true);
        }
    }

    /// The stream as it stands. One that was removed for good is waited for again; one that was waited for is found: then the second
    /// value says so.
    pub(crate) fn look_up<'s>(&mut self, state: &'s State) -> (Option<&'s Stream>, bool) {
        if let Some(stream) = self.stream(state) {
            return (Some(stream), false);
        }
        if self.key.take().is_some() {
            self.miss_held(GapReason::Evicted, u64::MAX);
            self.is_replaying = true;
            (self.ended_run, self.told) = (0, None);
        }
        if state.find(&self.name).is_none() {
            // It is gone, and with it what was not written yet; or it came and went since the last look. One that is there again says
            // itself what is missing.
            let last = state.departed(&self.name);
            match last.birth_seq {
                Some(birth_seq) => self.renumber(state, birth_seq),
                None => self.doubt(state),
            }
            if last.n >= self.next || last.lost > self.lost {
                self.miss(GapReason::Evicted, last.n + 1, last.lost);
            }
        }
        let is_found = self.find(state);
        if !is_found {
            self.seen_seq = state.seq();
        }
        (self.stream(state), is_found)
    }

    /// The stream, where it is known and there.
    pub(crate) fn stream<'s>(&self, state: &'s State) -> Option<&'s Stream> {
        state.stream(self.key?)
    }

    /// Whether the reader had seen the stream's end when it came.
    pub(crate) fn has_seen_end(&self, stream: &Stream) -> bool {
        stream.is_ended() && self.ended_run == stream.run.number
    }

    /// Everything that is held of the stream has been written.
    pub(crate) fn is_caught_up(&self, stream: &Stream) -> bool {
        let is_held = self.held.as_deref().is_some_and(|it| it.first().is_some());
        self.next >= stream.log.next() && !is_held && self.untold_loss(stream).is_none()
    }

    /// `n` of the event that comes next for this reader, or after it where it is still to be chosen.
    fn place(&self) -> u64 {
        let held = self.held.as_deref().and_then(Held::first);
        held.unwrap_or(self.next)
    }

    /// Looks at no more than `most` events, so that only the newest of each type are held. Returns how many it looked at; `None`: what is
    /// held has to be released first.
    pub(crate) fn look_ahead(&mut self, stream: &Stream, most: u64) -> Option<u64> {
        let Some(held) = &mut self.held else {
            return Some(0);
        };
        let before = self.next;
        while self.next - before < most {
            let Some(kind) = stream.log.event_type(self.next) else {
                break;
            };
            if !held.look_at(kind, self.next) {
                return None;
            }
            self.next += 1;
        }
        Some(self.next - before)
    }

    /// The time of what is held has come.
    pub(crate) fn release(&mut self) {
        if let Some(held) = &mut self.held {
            held.release();
        }
    }

    /// Whether what is held is being written.
    pub(crate) fn is_releasing(&self) -> bool {
        self.held.as_deref().is_some_and(Held::is_releasing)
    }

    /// Goes on looking at what comes where all that was released is written.
    pub(crate) fn finish_release(&mut self, stream: Option<&Stream>) {
        let is_done = stream.is_none_or(|stream| self.due(stream).is_none());
        if let Some(held) = self.held.as_mut().filter(|_| is_done) {
            held.finish();
        }
    }

    /// The reader has been told everything there is, also where there is no stream.
    pub(crate) fn has_all(&self, state: &State) -> bool {
        let has_all = match self.stream(state) {
            Some(stream) => self.is_caught_up(stream) && !self.is_replaying,
            // One that came or went since the last look has not been looked at.
            None => self.key.is_none() && state.find(&self.name).is_none(),
        };
        has_all && self.gap.is_none()
    }

    /// The place of what comes next for this reader, an event or a loss, among all events of the server.
    pub(crate) fn due(&self, stream: &Stream) -> Option<u64> {
        let n = match &self.held {
            Some(held) if !held.is_releasing() => return None,
            Some(held) => held.first_due(),
            None => Some(self.next),
        };
        let loss = self.untold_loss(stream).map(|hole| hole.seq);
        loss.or_else(|| stream.log.entry(n?).map(|entry| entry.seq))
    }

    /// How many events can be written as they stand before something has to be said.
    pub(crate) fn plain_events(&self, stream: &Stream) -> u64 {
        let hole = stream.holes.first_after(self.lost);
        let limit = hole.map_or(u64::MAX, |hole| hole.before);
        stream.log.next().min(limit).saturating_sub(self.next)
    }

    /// What its producers lost right here, or before, of which the reader does not know.
    fn untold_loss(&self, stream: &Stream) -> Option<Hole> {
        let hole = stream.holes.first_after(self.lost);
        hole.filter(|hole| hole.before <= self.place())
    }

    /// Goes on with what is there where the reader was too slow for the live window.
    pub(crate) fn notice_overflow(&mut self, stream: &Stream, skips_to_latest: bool) {
        if self.next >= stream.log.first() {
            return self.miss_held(GapReason::Overflow, stream.log.first());
        }
        let to = if skips_to_latest {
            stream.log.next()
        } else {
            stream.log.first()
        };
        let lost = stream.holes.up_to(to - 1).unwrap_or(self.lost);
        self.miss(GapReason::Overflow, to, lost);
        self.miss_held(GapReason::Overflow, stream.log.first());
    }

    /// What was held back of the events before `first` is not there any more.
    fn miss_held(&mut self, reason: GapReason, first: u64) {
        let missing = self.held.as_mut().and_then(|it| it.lose_before(first));
        let Some(Lost { from, to, count }) = missing else {
            return;
        };
        let gap = self.gap.get_or_insert_with(|| {
            Box::new(Gap {
                reason,
                requested: None,
                lost: None,
                count: Some(0),
                is_mixed: false,
            })
        });
        let (earliest, latest) = gap.lost.unwrap_or((from, to));
        gap.lost = (!gap.is_mixed).then_some((earliest.min(from), latest.max(to)));
        gap.count = gap.count.map(|other| other.saturating_add(count));
    }

    /// The reader goes on with event `to`; `lost` events were lost by producers before it.
    fn miss(&mut self, reason: GapReason, to: u64, lost: u64) {
        let lost_here = lost.saturating_sub(self.lost);
        let missing = to.saturating_sub(self.next).saturating_add(lost_here);
        let range = (to > self.next).then(|| (self.next, to - 1));
        if let Some(gap) = &mut self.gap {
            gap.count = gap.count.map(|count| count.saturating_add(missing));
            gap.add_range(range);
        } else {
            self.gap = Some(Box::new(Gap {
                reason,
                requested: None,
                lost: range,
                count: Some(missing),
                is_mixed: false,
            }));
        }
        (self.next, self.lost) = (self.next.max(to), self.lost.max(lost));
    }

    /// Says what cannot be had, if anything. Returns whether there was anything.
    pub(crate) fn tell_gap(&mut self, state: &State, out: &mut Vec<u8>) -> bool {
        let Some(gap) = self.gap.take() else {
            return false;
        };
        if gap.requested.is_none() {
            self.missed.gaps += 1;
            self.missed.lost = self
                .missed
                .lost
                .saturating_add(gap.count.unwrap_or_default());
        }
        let entry = self.stream(state).and_then(|it| it.log.entry(self.next));
        let resumed = entry.map(|it| format!("{}-{}-{}", state.epoch(), it.seq, self.next));
        control::write_gap(out, &self.name, &gap, resumed.as_deref());
        true
    }

    /// Says, once, that there is no such stream.
    pub(crate) fn tell_missing(&mut self, out: &mut Vec<u8>) {
        let told = self.told.get_or_insert_default();
        if !std::mem::replace(&mut told.missing, true) {
            let message = "there is no such stream on this server yet";
            control::write_refused(out, Some(&self.name), 404, message);
        }
    }

    /// Says what its producers lost right here, if anything.
    pub(crate) fn tell_loss(&mut self, stream: &Stream, out: &mut Vec<u8>) -> bool {
        let Some(hole) = self.untold_loss(stream) else {
            return false;
        };
        let count = hole.total - self.lost;
        self.lost = hole.total;
        let gap = Gap {
            reason: GapReason::Overflow,
            requested: None,
            lost: None,
            count: Some(count),
            is_mixed: false,
        };
        control::write_gap(out, &stream.name, &gap, None);
        true
    }

    /// Says which run the next event is of, where that is news.
    pub(crate) fn tell_run(&mut self, stream: &Stream, out: &mut Vec<u8>) {
        let Some(run) = stream
            .marks
            .iter()
            .rev()
            .find(|run| run.first <= self.place())
        else {
            return;
        };
        let told = self.told.get_or_insert_default();
        if told.run >= run.number {
            return;
        }
        (told.run, told.time) = (run.number, None);
        control::write_run(out, stream, run);
    }

    /// Says whether the producer is there and how many read, where that is news.
    pub(crate) fn tell_state(&mut self, stream: &Stream, now: Now, out: &mut Vec<u8>) {
        let left_out = self.held.as_deref().map(Held::left_out_before);
        let is = (stream.state_name(), stream.subscribers, left_out);
        let told = self.told.get_or_insert_default();
        if let Some(before) = told.state {
            let is_due = before.0 != is.0 || now.mono >= told.state_at + STATE_STEP;
            if before == is || !is_due {
                return;
            }
        }
        (told.state, told.state_at) = (Some(is), now.mono);
        control::write_state(out, stream, left_out);
    }

    /// When a number of readers that is not told yet may be told (of `Now::mono`).
    pub(crate) fn state_due_at(&self, stream: &Stream) -> Option<u64> {
        let told = self.told.as_deref()?;
        let (_, subscribers, left_out) = told.state?;
        let left_out_now = self.held.as_deref().map(Held::left_out_before);
        let is_news = (subscribers, left_out) != (stream.subscribers, left_out_now);
        is_news.then_some(told.state_at + STATE_STEP)
    }

    /// Says when the next event was appended, where that is news: to a sixtieth of a second, or exactly.
    pub(crate) fn tell_time(&mut self, stream: &Stream, is_exact: bool, out: &mut Vec<u8>) {
        let Some(at) = stream.log.entry(self.place()).map(|entry| entry.at) else {
            return;
        };
        // Clocks are set back now and then.
        let step = if is_exact { 1 } else { TIME_STEP };
        let is_told = |told: u64| at >= told && at < told + step;
        let told = self.told.get_or_insert_default();
        if told.time.is_some_and(is_told) {
            return;
        }
        told.time = Some(at);
        let data = json!({"stream": &*stream.name, "at": at});
        control::write(out, "sse.time", None, &data);
    }

    /// Says that the replay has caught up, once, and the stream's own cursor: no event need come that has an id.
    pub(crate) fn tell_ready(&mut self, state: &State, stream: &Stream, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.is_replaying, false) {
            return;
        }
        let cursor = Position {
            epoch: *state.epoch(),
            seq: state.seq(),
            n: self.next - 1,
        };
        let data = json!({"stream": &*stream.name, "cursor": cursor.to_string()});
        control::write(out, "sse.ready", None, &data);
    }

    /// Says that the run has ended, once for each. Returns whether it did.
    pub(crate) fn tell_end(
        &mut self,
        stream: &Stream,
        is_single: bool,
        epoch: &Epoch,
        out: &mut Vec<u8>,
    ) -> bool {
        let RunState::Ended(end) = &stream.state else {
            return false;
        };
        if self.ended_run == stream.run.number {
            return false;
        }
        self.ended_run = stream.run.number;
        let id = end_id(*epoch, stream.end_number());
        control::write_end(out, stream, end, is_single, &id);
        true
    }

    /// Writes the next event and moves on.
    pub(crate) fn write_event(
        &mut self,
        state: &State,
        stream: &Stream,
        qualifier: Option<&str>,
        id: IdLine,
        out: &mut Vec<u8>,
    ) {
        let n = if let Some(held) = &mut self.held {
            held.take_due()
        } else {
            self.next += 1;
            Some(self.next - 1)
        };
        if let Some(n) = n {
            let epoch = state.epoch();
            stream.log.copy_event(epoch, n, qualifier, id, out);
        }
    }
}
