//! Everything the hub knows: streams, links, positions. Behind one lock (see `hub`); pure, so that its rules are tested without I/O.

mod describe;
mod news;
mod private;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jupyter_sse_codec::frame::ToKernel;
use jupyter_sse_codec::{EndReason, Epoch, Position, RunKind, check_name};
use serde_json::Value;

use crate::clock::millis;
use crate::counters::Counters;
use crate::departed::{Departed, Last};
use crate::gone_links::GoneLinks;
use crate::links::LinkState;
use crate::log::Incoming;
use crate::number_map::NumberMap;
use crate::options::{HistoryBounds, HubOptions};
use crate::producers::Producers;
use crate::roster::Roster;
use crate::route::Routes;
use crate::stream::{LinkId, Producer, ProducerInfo, Run, RunState, Stream};
use crate::token::Tokens;
use crate::visit::Visits;

pub(crate) use news::News;

/// Names one stream for as long as the hub keeps it; never used twice.
pub type StreamKey = u64;

/// How long a producer may take to stop before its run is ended for it, in milliseconds.
const STOP_PATIENCE: u64 = 7_000;

/// Why something cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The name is no stream name; the text says why.
    Name(String),
    /// No stream has this name.
    Unknown(String),
    /// Another kernel owns the run; the text says which.
    Owned(String),
    /// A bound of the server is reached.
    Limit(String),
    /// The reader has seen the stream's end: there is nothing for it.
    Ended,
    /// The run that a POST was writing is over; the text says what to do.
    Over(String),
    /// An event comes out of its producer's order; the text says what was expected.
    Late(String),
    /// The reader of a visit has left.
    Gone,
    /// A request has more headers or a longer query than a producer is told; the text says the bound.
    Large(String),
}

impl Refusal {
    /// The word that clients read.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) => "invalid",
            Self::Unknown(_) => "unknown",
            Self::Owned(_) => "owned",
            Self::Limit(_) => "limit",
            Self::Ended | Self::Over(_) => "ended",
            Self::Late(_) => "sequence",
            Self::Gone => "gone",
            Self::Large(_) => "too-large",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(text)
            | Self::Owned(text)
            | Self::Limit(text)
            | Self::Over(text)
            | Self::Late(text)
            | Self::Large(text) => out.write_str(text),
            Self::Gone => out.write_str("the reader has left"),
            Self::Unknown(name) => write!(out, "there is no stream {name:?} on this server"),
            Self::Ended => out.write_str("the stream has ended and its end has been read"),
        }
    }
}

impl std::error::Error for Refusal {}

/// See the module's text.
#[derive(Debug)]
pub struct State {
    epoch: Epoch,
    seq: u64,
    options: HubOptions,
    streams: NumberMap<StreamKey, Stream>,
    names: HashMap<Arc<str>, StreamKey>,
    next_key: StreamKey,
    held_bytes: usize,
    departed: Departed,
    /// For readers, since the reactor looked.
    pub(crate) news: News,
    /// Frames for links, in order.
    pub(crate) outbox: Vec<(LinkId, Vec<u8>)>,
    pub(crate) links: NumberMap<LinkId, LinkState>,
    pub(crate) gone_links: GoneLinks,
    pub(crate) routes: Routes,
    pub(crate) visits: Visits,
    pub(crate) tokens: Tokens,
    pub(crate) producers: Producers,
    pub(crate) connections: Roster,
    pub(crate) counters: Counters,
}

impl State {
    pub(crate) fn new(options: HubOptions, epoch: Epoch) -> Self {
        Self {
            epoch,
            seq: 0,
            options,
            streams: NumberMap::default(),
            names: HashMap::new(),
            next_key: 1,
            held_bytes: 0,
            departed: Departed::default(),
            news: News::default(),
            outbox: Vec::new(),
            links: NumberMap::default(),
            gone_links: GoneLinks::default(),
            routes: Routes::default(),
            visits: Visits::default(),
            tokens: Tokens::default(),
            producers: Producers::default(),
            connections: Roster::default(),
            counters: Counters::default(),
        }
    }

    /// The life of this log.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The newest position's `seq`.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// What all logs hold, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// The settings.
    pub fn options(&self) -> &HubOptions {
        &self.options
    }

    pub(crate) fn options_mut(&mut self) -> &mut HubOptions {
        &mut self.options
    }

    /// A stream by its key.
    pub fn stream(&self, key: StreamKey) -> Option<&Stream> {
        self.streams.get(&key)
    }

    pub(crate) fn stream_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.streams.get_mut(&key)
    }

    /// All streams.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (StreamKey, &Stream)> {
        self.streams.iter().map(|(&key, stream)| (key, stream))
    }

    /// A stream by its name.
    pub fn find(&self, name: &str) -> Option<(StreamKey, &Stream)> {
        let key = *self.names.get(name)?;
        Some((key, self.streams.get(&key)?))
    }

    /// Where the stream of this name stopped that is gone, or has never been.
    pub(crate) fn departed(&self, name: &str) -> Last {
        self.departed.last(name)
    }

    /// The place of the newest event of a stream that is forgotten.
    pub(crate) fn forgotten_seq(&self) -> u64 {
        self.departed.forgotten_seq()
    }

    /// Events are missing at the end of a stream: its producer lost them.
    pub(crate) fn add_hole(&mut self, key: StreamKey, count: u64) {
        if let Some(stream) = self.streams.get_mut(&key) {
            self.seq += 1;
            stream.add_hole(count, self.seq);
            self.mark_dirty(key);
        }
    }

    /// Appends one event. The caller has checked it.
    pub(crate) fn append(
        &mut self,
        key: StreamKey,
        now: u64,
        incoming: Incoming<'_>,
    ) -> Option<Position> {
        let live_window = self.options.live_window_bytes;
        let stream = self.streams.get_mut(&key)?;
        let before = stream.log.bytes();
        self.seq += 1;
        let n = stream.log.append(&self.epoch, self.seq, now, incoming);
        stream.count_event(now);
        stream.trim(live_window);
        self.held_bytes = (self.held_bytes + stream.log.bytes()).saturating_sub(before);
        self.counters.events += 1;
        self.counters.event_bytes += incoming.body.len() as u64;
        self.mark_dirty(key);
        self.make_room(key);
        Some(Position {
            epoch: self.epoch,
            seq: self.seq,
            n,
        })
    }

    /// Keeps to what all logs may hold: whoever has more than its share and grows gives way, else the largest. A quiet stream never
    /// pays for a noisy one.
    fn make_room(&mut self, growing: StreamKey) {
        let most = self.options.max_total_bytes;
        while self.held_bytes > most {
            // What is one reader's alone is bounded by its credit.
            let share = most / self.names.len().max(1);
            let held = |stream: &Stream| stream.log.bytes();
            let payer = match self.streams.get(&growing) {
                Some(stream) if held(stream) > share => growing,
                _ => {
                    let largest = self.streams.iter().max_by_key(|(_, it)| held(it));
                    largest.map_or(growing, |(&key, _)| key)
                }
            };
            if !self.shed(payer) {
                return;
            }
        }
    }

    /// Takes an eighth of a log, so that this comes up rarely. Returns whether there was anything.
    fn shed(&mut self, key: StreamKey) -> bool {
        let excess = self.held_bytes.saturating_sub(self.options.max_total_bytes);
        let Some(stream) = self.streams.get_mut(&key) else {
            return false;
        };
        let before = stream.log.bytes();
        stream.log.shed(excess.max(before / 8));
        let freed = before - stream.log.bytes();
        self.held_bytes = self.held_bytes.saturating_sub(freed);
        freed > 0
    }

    /// Gets or makes the stream and starts a run in it.
    pub(crate) fn start_run(
        &mut self,
        name: &str,
        kind: RunKind,
        producer: Option<ProducerInfo>,
        now: u64,
    ) -> Result<StreamKey, Refusal> {
        if let Some(&key) = self.names.get(name) {
            if let Some(stream) = self.streams.get_mut(&key) {
                stream.start_run(kind, producer, now);
            }
            self.set_bounds(key, self.options.history);
            self.mark_dirty(key);
            return Ok(key);
        }
        check_name(name).map_err(|error| Refusal::Name(error.to_string()))?;
        let is_full = self.names.len() >= self.options.max_streams;
        if is_full && !self.remove_oldest_ended() && !self.remove_idlest_post(now) {
            let most = self.options.max_streams;
            return Err(Refusal::Limit(format!(
                "this server holds {most} streams, its limit, and none has ended; end one first"
            )));
        }
        let key = self.next_key;
        self.next_key += 1;
        let last = self.departed.take(name);
        let run = Run {
            number: last.run.saturating_add(1),
            kind,
            first: last.n + 1,
            producer,
            started_at: now,
        };
        let stream = Stream::new(name, self.options.history, run, last, self.seq);
        self.names.insert(Arc::clone(&stream.name), key);
        self.streams.insert(key, stream);
        self.news.created.push(name.to_owned());
        Ok(key)
    }

    /// Other bounds for a stream's history, from now on.
    pub(crate) fn set_bounds(&mut self, key: StreamKey, bounds: HistoryBounds) {
        let live_window = self.options.live_window_bytes;
        if let Some(stream) = self.streams.get_mut(&key) {
            let before = stream.log.bytes();
            stream.log.set_bounds(bounds);
            stream.trim(live_window);
            self.held_bytes = (self.held_bytes + stream.log.bytes()).saturating_sub(before);
        }
    }

    /// Ends a stream's run; readers are told.
    pub(crate) fn end_run(
        &mut self,
        key: StreamKey,
        reason: EndReason,
        error: Option<Value>,
        now: u64,
    ) {
        if let Some(stream) = self.streams.get_mut(&key) {
            stream.end(reason, error, now);
            let is_private = stream.is_private();
            self.mark_dirty(key);
            if is_private {
                self.visit_ended(key);
            }
        }
    }

    /// Ends a stream on somebody's wish: its producers are told to stop; where there are none to tell, it ends at once.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub(crate) fn end(&mut self, name: &str, now: u64) -> Result<(), Refusal> {
        let Some((key, stream)) = self.find(name) else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        if stream.is_ended() {
            return Ok(());
        }
        let producers: Vec<Producer> = stream.producers.iter().copied().collect();
        let mut is_told = false;
        for (id, open_key) in producers {
            if self.links.get(&id).is_some_and(|link| link.is_connected) {
                let mut frame = Vec::new();
                ToKernel::Stop { key: open_key }.encode(&mut frame);
                self.outbox.push((id, frame));
                is_told = true;
            }
        }
        if is_told {
            if let Some(stream) = self.streams.get_mut(&key) {
                stream.stopping_since.get_or_insert(now);
            }
        } else {
            self.end_run(key, EndReason::Stopped, None, now);
        }
        Ok(())
    }

    /// What passes with time: old history, ended streams, producers that do not stop. Call it about once a second.
    pub(crate) fn keep_house(&mut self, now: u64) {
        let live_window = self.options.live_window_bytes;
        let retention = millis(self.options.ended_retention);
        let (mut over, mut stuck, mut idle) = (Vec::new(), Vec::new(), Vec::new());
        let mut held_bytes = 0;
        for (&key, stream) in &mut self.streams {
            stream.log.expire(now);
            stream.trim(live_window);
            held_bytes += stream.log.bytes();
            stream.note_use(now);
            match &stream.state {
                // That of a visit goes with its reader.
                RunState::Ended(_) if stream.is_private() => {}
                RunState::Ended(end) if now >= end.at.saturating_add(retention) => over.push(key),
                RunState::Ended(_) => {}
                _ if stream
                    .stopping_since
                    .is_some_and(|since| now >= since + STOP_PATIENCE) =>
                {
                    stuck.push(key);
                }
                _ if stream.is_idle_post() && now >= stream.used_at.saturating_add(retention) => {
                    idle.push(key);
                }
                _ => {}
            }
        }
        self.held_bytes = held_bytes;
        self.tokens.expire(now);
        self.producers.expire(now, retention);
        for key in stuck {
            self.end_run(key, EndReason::Stopped, None, now);
        }
        for &key in &idle {
            self.end_run(key, EndReason::Done, None, now);
        }
        for key in over.into_iter().chain(idle) {
            self.remove(key);
        }
    }

    fn remove_oldest_ended(&mut self) -> bool {
        let ended_at = |stream: &Stream| match &stream.state {
            RunState::Ended(end) if !stream.is_private() => Some(end.at),
            _ => None,
        };
        let oldest = self
            .streams
            .iter()
            .filter_map(|(&key, stream)| Some((ended_at(stream)?, key)))
            .min();
        let Some((_, key)) = oldest else { return false };
        self.remove(key);
        true
    }

    pub(crate) fn remove(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.remove(&key) {
            self.held_bytes = self.held_bytes.saturating_sub(stream.log.bytes());
            self.names.remove(&*stream.name);
            // A later stream of this name is another one.
            self.tokens.revoke(&stream.name);
            self.producers.forget(key);
            self.departed.remember(&stream.name, stream.last());
            self.news.removed.push(key);
        }
    }
}

/// Who owns a run, and what to do about it.
pub(crate) fn owned_message(stream: &Stream) -> String {
    let owner = stream.run.producer.as_ref();
    let (label, kernel) = owner.map_or(("another program", "?"), |producer| {
        (&*producer.label, &*producer.kernel)
    });
    format!(
        "stream {:?} is being written by {label} (kernel {kernel}, run {}); stop it there or with `%sse stop {}`, or use another name",
        stream.name, stream.run.number, stream.name
    )
}
