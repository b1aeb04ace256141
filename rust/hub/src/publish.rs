//! Publishing from outside of any link: what a POST does to the state, event by event, and what its sender is told.

use std::sync::Arc;

use jupyter_sse_codec::{EndReason, Position, RunKind, check_name};
use serde_json::{Value, json};

use crate::log::Incoming;
use crate::post_body::{Body, BodyError, Events};
use crate::producers::{ProducerId, Seen};
use crate::reader::lock;
use crate::shared::Shared;
use crate::state::{Refusal, State, StreamKey, owned_message};

/// How many events are appended while the state's lock is held once.
const EVENTS_AT_ONCE: usize = 256;
/// The most positions that a report lists; beyond it has the first and the last.
const MAX_POSITIONS: usize = 1_000;

/// Whose events are posted, and which number the next one has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbered {
    pub(crate) producer: ProducerId,
    pub(crate) next: u64,
}

/// One POST, as far as it has come.
#[derive(Debug)]
pub(crate) struct Posting {
    name: String,
    numbered: Option<Numbered>,
    /// The stream and the run that its first new event has joined.
    joined: Option<(StreamKey, u32)>,
    tally: Tally,
}

/// What became of the events of one POST.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    published: u64,
    duplicates: u64,
    lost: u64,
    first: Option<Position>,
    last: Option<Position>,
    /// Of every event, as long as there are not too many.
    positions: Vec<Option<Position>>,
}

impl Tally {
    fn add(&mut self, position: Option<Position>) {
        self.events += 1;
        if self.positions.len() < MAX_POSITIONS {
            self.positions.push(position);
        } else {
            self.positions = Vec::new();
        }
        self.first = self.first.or(position);
        self.last = position.or(self.last);
    }
}

impl Posting {
    pub(crate) fn new(name: &str, numbered: Option<Numbered>) -> Self {
        Self {
            name: name.to_owned(),
            numbered,
            joined: None,
            tally: Tally::default(),
        }
    }

    pub(crate) fn published(&self) -> u64 {
        self.tally.published
    }

    /// What the sender is told.
    pub(crate) fn report(&self) -> Value {
        let tally = &self.tally;
        let text = |position: &Option<Position>| position.map(|it| it.to_string());
        let mut report = json!({
            "stream": self.name,
            "count": tally.published,
            "first": text(&tally.first),
            "last": text(&tally.last),
            "duplicates": tally.duplicates,
            "lost": tally.lost,
        });
        if tally.positions.len() as u64 == tally.events {
            report["positions"] = tally.positions.iter().map(text).collect();
        }
        report
    }
}

impl State {
    /// Publishes all these events. Returns the positions.
    ///
    /// # Errors
    ///
    /// A bad name, a bound, or a run that a kernel owns.
    pub(crate) fn publish(
        &mut self,
        name: &str,
        events: &[Incoming<'_>],
        now: u64,
    ) -> Result<Vec<Position>, Refusal> {
        let (key, _) = self.join_post(name, now)?;
        Ok(events
            .iter()
            .filter_map(|event| self.append(key, now, *event))
            .collect())
    }

    /// Whether a POST to this name may begin: what can be known before its first event.
    pub(crate) fn may_post(&self, name: &str) -> Result<(), Refusal> {
        check_name(name).map_err(|error| Refusal::Name(error.to_string()))?;
        match self.find(name) {
            Some((_, stream)) if !stream.is_ended() && stream.run.kind == RunKind::Run => {
                Err(Refusal::Owned(owned_message(stream)))
            }
            _ => Ok(()),
        }
    }

    /// The stream and the run that take a POST's events: those there are, else new ones.
    fn join_post(&mut self, name: &str, now: u64) -> Result<(StreamKey, u32), Refusal> {
        self.may_post(name)?;
        let live = self.find(name).filter(|(_, stream)| !stream.is_ended());
        let key = match live {
            Some((key, _)) => key,
            None => self.start_run(name, RunKind::Post, None, now)?,
        };
        let run = self.stream(key).map_or(0, |stream| stream.run.number);
        Ok((key, run))
    }

    /// One event of a POST.
    ///
    /// # Errors
    ///
    /// It is not published, and neither will those after it.
    pub(crate) fn post(
        &mut self,
        posting: &mut Posting,
        event: Incoming<'_>,
        now: u64,
    ) -> Result<(), Refusal> {
        let lost = match self.look(posting) {
            Seen::New { lost } => lost,
            Seen::Before(place) => {
                self.counters.duplicates += 1;
                posting.tally.duplicates += 1;
                let epoch = *self.epoch();
                posting.pass(place.map(|(seq, n)| Position { epoch, seq, n }));
                return Ok(());
            }
            Seen::Late { expected } => {
                let number = posting.numbered.map_or(0, |numbered| numbered.next);
                return Err(late(number, expected));
            }
        };
        let key = self.joined(posting, now)?;
        if lost > 0 {
            self.counters.lost_by_posts = self.counters.lost_by_posts.saturating_add(lost);
            posting.tally.lost = lost;
            self.add_hole(key, lost);
        }
        let Some(position) = self.append(key, now, event) else {
            return Err(over(&posting.name));
        };
        if let Some(Numbered { producer, next }) = posting.numbered {
            let place = (position.seq, position.n);
            self.producers.note(key, producer, next, place, now);
        }
        posting.tally.published += 1;
        posting.pass(Some(position));
        Ok(())
    }

    fn look(&self, posting: &Posting) -> Seen {
        let key = match posting.joined {
            Some((key, _)) => Some(key),
            None => self.find(&posting.name).map(|(key, _)| key),
        };
        match (key, posting.numbered) {
            (Some(key), Some(Numbered { producer, next })) => {
                self.producers.look(key, producer, next)
            }
            _ => Seen::New { lost: 0 },
        }
    }

    /// The stream of a POST, as long as it is still the run that its first event joined.
    fn joined(&mut self, posting: &mut Posting, now: u64) -> Result<StreamKey, Refusal> {
        let Some((key, run)) = posting.joined else {
            let (key, run) = self.join_post(&posting.name, now)?;
            posting.joined = Some((key, run));
            if let Some(stream) = self.stream_mut(key) {
                stream.posts += 1;
            }
            return Ok(key);
        };
        match self.stream(key) {
            Some(stream) if stream.run.number == run && !stream.is_ended() => Ok(key),
            Some(stream) if !stream.is_ended() && stream.run.kind == RunKind::Run => {
                Err(Refusal::Owned(owned_message(stream)))
            }
            _ => Err(over(&posting.name)),
        }
    }

    /// A POST is over as a whole: one without events has made the stream that it named.
    pub(crate) fn finish_post(&mut self, posting: &mut Posting, now: u64) -> Result<(), Refusal> {
        if posting.tally.events == 0 {
            self.joined(posting, now)?;
        }
        Ok(())
    }

    /// A POST is over, one way or another.
    pub(crate) fn leave_post(&mut self, posting: &Posting, now: u64) {
        let stream = posting.joined.and_then(|(key, _)| self.stream_mut(key));
        if let Some(stream) = stream {
            stream.posts = stream.posts.saturating_sub(1);
            stream.used_at = now;
        }
    }

    /// Ends and removes the stream of an earlier POST that nobody writes and nobody reads, the one that has been so for the longest time.
    pub(crate) fn remove_idlest_post(&mut self, now: u64) -> bool {
        let idle = self.streams().filter(|(_, stream)| stream.is_idle_post());
        let idlest = idle.map(|(key, stream)| (stream.used_at, key)).min();
        let Some((_, key)) = idlest else { return false };
        self.end_run(key, EndReason::Done, None, now);
        self.remove(key);
        true
    }
}

impl Posting {
    /// The next event, one way or another, at this position.
    fn pass(&mut self, position: Option<Position>) {
        self.tally.add(position);
        if let Some(numbered) = &mut self.numbered {
            numbered.next = numbered.next.saturating_add(1);
        }
    }
}

fn late(number: u64, expected: u64) -> Refusal {
    Refusal::Late(format!(
        "expected event {expected} of this producer or a repeated one, got {number}, which was never published and would come after \
         later ones; send the events of one producer in order, or this one under another id"
    ))
}

fn over(name: &str) -> Refusal {
    Refusal::Over(format!(
        "expected the run that this request writes, got one that is over: somebody has ended stream {name:?}; \
         a new request starts a new run"
    ))
}

/// Why a POST is not taken any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    /// The hub takes no event of it.
    Refused(Refusal),
    /// Its body is wrong.
    Body(BodyError),
}

impl From<Refusal> for PublishError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// One POST whose body comes in pieces: made by `Hub::publication`. Dropping it is the end of an incomplete one: what is whole of it
/// stays published.
#[derive(Debug)]
pub struct Publication {
    shared: Arc<Shared>,
    body: Body,
    posting: Posting,
    events: Events,
}

impl Publication {
    pub(crate) fn new(shared: Arc<Shared>, body: Body, posting: Posting) -> Self {
        Self {
            shared,
            body,
            posting,
            events: Events::default(),
        }
    }

    /// Takes the next bytes of the body and publishes what they complete. No more than `bytes` and one event are held.
    ///
    /// # Errors
    ///
    /// The body, or the stream; what came before is published. Nothing may follow.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), PublishError> {
        let fed = self.body.feed(bytes, &mut self.events);
        self.append()?;
        fed.map_err(PublishError::Body)
    }

    /// The body is whole.
    ///
    /// # Errors
    ///
    /// As for [`Publication::feed`].
    pub fn finish(&mut self) -> Result<(), PublishError> {
        let finished = self.body.finish(&mut self.events);
        self.append()?;
        finished.map_err(PublishError::Body)?;
        let now = self.shared.clock.now().unix;
        lock(&self.shared.state).finish_post(&mut self.posting, now)?;
        self.shared.wake();
        Ok(())
    }

    /// How many events are published.
    pub fn published(&self) -> u64 {
        self.posting.published()
    }

    /// What the sender is told: how many events, where they stand, how many of them had come before.
    pub fn report(&self) -> Value {
        self.posting.report()
    }

    /// Appends what was read, a few at a time: others wait for the lock.
    fn append(&mut self) -> Result<(), Refusal> {
        let now = self.shared.clock.now().unix;
        let mut outcome = Ok(());
        let mut next = 0;
        while next < self.events.len() && outcome.is_ok() {
            let end = self.events.len().min(next + EVENTS_AT_ONCE);
            let mut state = lock(&self.shared.state);
            while next < end && outcome.is_ok() {
                if let Some(event) = self.events.get(next) {
                    outcome = state.post(&mut self.posting, event, now);
                }
                next += 1;
            }
        }
        self.events.clear();
        self.shared.wake();
        outcome
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        let now = self.shared.clock.now().unix;
        lock(&self.shared.state).leave_post(&self.posting, now);
    }
}
