//! One stream: its log, its run, who produces it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jupyter_sse_codec::{EndReason, RunKind};
use serde_json::{Value, json};

use crate::departed::Last;
use crate::holes::Holes;
use crate::log::Log;
use crate::options::HistoryBounds;

/// The most starts of runs that are kept. A reader that is further behind is not told of the older ones.
const MAX_MARKS: usize = 1024;

/// Names one link (one process that produces).
pub type LinkId = [u8; 16];

/// A producer as the hub knows it: a link and the link's key for the stream.
pub type Producer = (LinkId, u32);

/// Who produces, as people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerInfo {
    /// The kernel's id.
    pub kernel: String,
    /// The notebook, or what else names it.
    pub label: String,
    /// The process.
    pub pid: u32,
}

impl ProducerInfo {
    pub(crate) fn to_json(&self) -> Value {
        json!({"kernel": self.kernel, "label": self.label, "pid": self.pid})
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum RunState {
    /// Events may come.
    Live,
    /// The link to its producer is down; it may come back.
    Lost,
    /// No event will come.
    Ended(End),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The reason that readers are told.
    pub reason: EndReason,
    /// `{"type", "message"}` where an error ended it.
    pub error: Option<Value>,
    /// When, in unix milliseconds.
    pub at: u64,
}

/// One life of a producer.
#[derive(Debug, Clone)]
pub struct Run {
    /// From 1, within the stream.
    pub number: u32,
    /// What began it.
    pub kind: RunKind,
    /// `n` of its first event.
    pub first: u64,
    /// Who began it; `None`: somebody over HTTP.
    pub producer: Option<ProducerInfo>,
    /// When it began, in unix milliseconds.
    pub started_at: u64,
}

/// Events per second, from the last whole seconds.
#[derive(Debug, Default)]
struct Rate {
    counts: [u32; Rate::SECONDS + 1],
    second: u64,
}

impl Rate {
    const SECONDS: usize = 5;

    fn advance(&mut self, now: u64) {
        let second = now / 1000;
        if second == self.second {
            return;
        }
        // A clock that was set back starts anew, like one that went far ahead.
        let steps = second
            .checked_sub(self.second)
            .map_or(self.counts.len(), |steps| {
                steps.min(self.counts.len() as u64) as usize
            });
        self.counts.rotate_right(steps);
        self.counts[..steps].fill(0);
        self.second = second;
    }

    fn count(&mut self, now: u64) {
        self.advance(now);
        self.counts[0] = self.counts[0].saturating_add(1);
    }

    fn per_second(&mut self, now: u64, started_at: u64) -> f64 {
        self.advance(now);
        let whole = now.saturating_sub(started_at) / 1000;
        let seconds = whole.clamp(1, Self::SECONDS as u64) as u32;
        let sum: u32 = self.counts[1..=seconds as usize].iter().sum();
        f64::from(sum) / f64::from(seconds)
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Stream {
    /// Its name, shared with its readers.
    pub name: Arc<str>,
    /// Its events.
    pub log: Log,
    /// The current run.
    pub run: Run,
    /// Where the current run stands.
    pub state: RunState,
    /// The starts of the runs whose events are still held, oldest first, the current one last.
    pub marks: VecDeque<Run>,
    /// Who produces the current run.
    pub producers: BTreeSet<Producer>,
    /// The one whose leaving ends the run: of a cell or a generator, not of what was sent.
    pub owner: Option<Producer>,
    /// Silence before a keep-alive, in milliseconds, where the stream's maker chose one.
    pub ping_interval: Option<u64>,
    /// What the maker said of views and history, for clients.
    pub options: Value,
    /// Events that their producer had to drop before they came here.
    pub holes: Holes,
    /// How many of them before the current run.
    pub lost_before_run: u64,
    /// Connections that read it now, without those that only pass by.
    pub subscribers: usize,
    /// Connections that only pass by.
    pub(crate) passing: usize,
    /// It stands in the list of those that have something new.
    pub(crate) is_dirty: bool,
    /// Of the stream of a visit: what the id of its end has in place of the run. Such a stream is one reader's, and has no history.
    pub(crate) end_number: Option<u64>,
    /// When its producers were told to stop, in unix milliseconds.
    pub stopping_since: Option<u64>,
    /// How many POSTs are writing it now.
    pub(crate) posts: usize,
    /// When it was last written or read, as far as that has been noted, in unix milliseconds.
    pub(crate) used_at: u64,
    rate: Rate,
}

impl Stream {
    /// A stream with its first run, which goes on where an earlier one of its name stopped, also where that had nothing but losses: who
    /// reads it has been told of them. Where none is known its numbers begin at `hub_seq`, the newest position of the server.
    pub(crate) fn new(
        name: &str,
        bounds: HistoryBounds,
        run: Run,
        last: Last,
        hub_seq: u64,
    ) -> Self {
        let birth_seq = last.birth_seq.unwrap_or(hub_seq);
        Self {
            name: Arc::from(name),
            log: Log::resume(bounds, last.n, last.seq, birth_seq),
            marks: VecDeque::from([run.clone()]),
            used_at: run.started_at,
            run,
            state: RunState::Live,
            producers: BTreeSet::new(),
            owner: None,
            ping_interval: None,
            options: Value::Null,
            holes: Holes::resume(last.n + 1, last.lost, last.lost_seq),
            lost_before_run: last.lost,
            subscribers: 0,
            passing: 0,
            is_dirty: false,
            end_number: None,
            stopping_since: None,
            posts: 0,
            rate: Rate::default(),
        }
    }

    /// A new run: the history starts anew, readers stay.
    pub(crate) fn start_run(&mut self, kind: RunKind, producer: Option<ProducerInfo>, now: u64) {
        self.log.start_run();
        self.lost_before_run = self.holes.total();
        self.run = Run {
            number: self.run.number + 1,
            kind,
            first: self.log.next(),
            producer,
            started_at: now,
        };
        self.state = RunState::Live;
        self.producers.clear();
        self.owner = None;
        self.stopping_since = None;
        self.used_at = now;
        self.ping_interval = None;
        self.options = Value::Null;
        if self
            .marks
            .back()
            .is_some_and(|mark| mark.first == self.run.first)
        {
            self.marks.pop_back();
        }
        self.marks.push_back(self.run.clone());
        self.drop_old_marks();
        self.rate = Rate::default();
    }

    pub(crate) fn end(&mut self, reason: EndReason, error: Option<Value>, now: u64) {
        if !self.is_ended() {
            self.state = RunState::Ended(End {
                reason,
                error,
                at: now,
            });
            self.producers.clear();
        }
    }

    pub(crate) fn count_event(&mut self, now: u64) {
        self.rate.count(now);
        self.used_at = now;
    }

    /// How many connections read it, or only pass by.
    pub(crate) fn readers(&mut self, is_passing: bool) -> &mut usize {
        if is_passing {
            &mut self.passing
        } else {
            &mut self.subscribers
        }
    }

    /// Somebody reads it now.
    fn is_read(&self) -> bool {
        self.subscribers > 0 || self.passing > 0
    }

    /// Who reads or writes uses it. Call it about once a second.
    pub(crate) fn note_use(&mut self, now: u64) {
        if self.is_read() || self.posts > 0 {
            self.used_at = now;
        }
    }

    /// It lives on POSTs, and nobody writes or reads it now.
    pub(crate) fn is_idle_post(&self) -> bool {
        let is_used = self.is_read() || self.posts > 0;
        self.run.kind == RunKind::Post && !self.is_ended() && !is_used
    }

    /// Frees what no reader can ask for any more.
    pub(crate) fn trim(&mut self, live_window: usize) {
        let is_wanted = self.is_read() || self.is_private();
        self.log.trim(if is_wanted { live_window } else { 0 });
        self.drop_old_marks();
    }

    /// `count` events are missing before the next one; the loss stands at `seq` in the order of all events.
    pub(crate) fn add_hole(&mut self, count: u64, seq: u64) {
        self.holes.add(self.log.next(), count, seq);
    }

    /// Where it stops, should it go now.
    pub(crate) fn last(&self) -> Last {
        Last {
            n: self.log.next() - 1,
            seq: self.log.newest_seq(),
            birth_seq: Some(self.log.birth_seq()),
            run: self.run.number,
            lost: self.holes.total(),
            lost_seq: self.holes.newest_seq(),
        }
    }

    fn drop_old_marks(&mut self) {
        while self.marks.len() > 1
            && (self.marks[1].first <= self.log.first() || self.marks.len() > MAX_MARKS)
        {
            self.marks.pop_front();
        }
    }

    /// It is one reader's alone: no name leads to it, and it goes with that reader.
    pub(crate) fn is_private(&self) -> bool {
        self.end_number.is_some()
    }

    /// The number in the id of its end.
    pub(crate) fn end_number(&self) -> u64 {
        self.end_number.unwrap_or(u64::from(self.run.number))
    }

    /// No event will come in this run.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, RunState::Ended(_))
    }

    /// The word that clients read.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            RunState::Live => "live",
            RunState::Lost => "lost",
            RunState::Ended(_) => "ended",
        }
    }

    /// What `GET /api/sse/streams/<name>` shows; so many tokens read it.
    pub(crate) fn describe(&mut self, tokens: usize, now: u64) -> Value {
        let end = match &self.state {
            RunState::Ended(end) => json!({"reason": end.reason.as_str(), "error": end.error}),
            _ => Value::Null,
        };
        let ended_at = match &self.state {
            RunState::Ended(end) => json!(end.at),
            _ => Value::Null,
        };
        json!({
            "name": &*self.name,
            "state": self.state_name(),
            "end": end,
            "run": self.run.number,
            "kind": self.run.kind.as_str(),
            "producer": self.run.producer.as_ref().map(ProducerInfo::to_json),
            "events": self.log.next() - 1,
            "run_events": self.log.next() - self.run.first,
            "history": {"events": self.log.next() - self.log.history_first(), "bytes": self.log.history_bytes()},
            "rate": self.rate.per_second(now, self.run.started_at),
            "subscribers": self.subscribers,
            "tokens": tokens,
            "started_at": self.run.started_at,
            "ended_at": ended_at,
            "options": self.options,
        })
    }
}
