//! Visits: what one reader of a route gets. Each has a stream of its own that no name leads to and that goes with its reader, who pulls
//! it: its producer may send what the reader has granted, and rests.

mod again;
mod answer;
mod credit;
mod request;

use std::collections::{BTreeMap, HashMap};

use jupyter_sse_codec::frame::ToKernel;
use jupyter_sse_codec::{EndReason, RunKind};
use serde_json::{Value, json};

pub use answer::Begun;
pub(crate) use answer::refusal_status;
pub(crate) use request::{Caller, is_visit_end};

use crate::departed::Last;
use crate::links::OpenStream;
use crate::number_map::NumberMap;
use crate::options::HistoryBounds;
use crate::route::Route;
use crate::state::{Refusal, State, StreamKey};
use crate::stream::{LinkId, Producer, Run, Stream};
use request::{end_number_of, has_seen_end, parameters_of};

/// The most readers that the routes of one link may have. Few in tests, so that they get there.
const MAX_VISITS: usize = if cfg!(test) { 100 } else { 10_000 };

/// One visit.
#[derive(Debug)]
struct Visit {
    /// Its route, or the one that it had.
    route: u64,
    /// Whose that is.
    owner: Producer,
    kernel: String,
    /// The number under which its producer has to open it, while that has not happened.
    begin: Option<u64>,
    /// Who feeds it.
    producer: Option<Producer>,
    /// What its producer was told to open it with, as JSON.
    request: Box<str>,
    /// What the events of its producer have cost so far, and what they may.
    received: u64,
    granted: u64,
    /// `n` of the first event that its reader has not got.
    next: u64,
    /// Somebody waits for the head of the response.
    is_awaited: bool,
}

/// What a producer was told to open and has not opened.
#[derive(Debug)]
struct Begin {
    /// The route.
    owner: Producer,
    /// `None`: for nobody any more.
    stream: Option<StreamKey>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    all: NumberMap<StreamKey, Visit>,
    begins: BTreeMap<u64, Begin>,
    last_begin: u64,
    /// How many visits each link has, and begins for nobody: those cost its kernel as much.
    counts: HashMap<LinkId, usize>,
    begun_ever: u64,
    /// What somebody waits for.
    begun: Vec<Begun>,
}

impl Visits {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn begun_ever(&self) -> u64 {
        self.begun_ever
    }

    pub(crate) fn count_of(&self, route: u64) -> usize {
        self.all.values().filter(|it| it.route == route).count()
    }

    pub(crate) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    pub(crate) fn take_begun(&mut self) -> Vec<Begun> {
        std::mem::take(&mut self.begun)
    }

    fn keys(&self, is_meant: impl Fn(&Visit) -> bool) -> Vec<StreamKey> {
        let visits = self.all.iter().filter(|(_, visit)| is_meant(visit));
        visits.map(|(&key, _)| key).collect()
    }

    fn count_more(&mut self, link: LinkId) {
        *self.counts.entry(link).or_default() += 1;
    }

    fn count_less(&mut self, link: &LinkId) {
        if let Some(count) = self.counts.get_mut(link) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(link);
            }
        }
    }

    /// The visit that was begun so does not wait for it any more. It counts until its producer has heard of it.
    fn orphan(&mut self, number: u64) {
        if let Some(begin) = self.begins.get_mut(&number)
            && begin.stream.take().is_some()
        {
            let link = begin.owner.0;
            self.count_more(link);
        }
    }
}

impl State {
    /// A reader comes to a path that names no stream. Returns the stream that it is to read; `None`: there is no such route.
    ///
    /// # Errors
    ///
    /// [`Refusal::Ended`]: it has had all there was for it. [`Refusal::Limit`] and [`Refusal::Large`].
    pub(crate) fn begin_visit(
        &mut self,
        caller: &Caller<'_>,
        now: u64,
    ) -> Result<Option<StreamKey>, Refusal> {
        let Some((route, _)) = self.routes.find(caller.path) else {
            return Ok(None);
        };
        if has_seen_end(caller.last_event_id, self.epoch(), route.serial) {
            return Err(Refusal::Ended);
        }
        let entered = self.enter_visit(caller, now)?;
        if let Some(key) = entered {
            self.visits.begun_ever += 1;
            self.begin(key);
        }
        Ok(entered)
    }

    /// The same of a reader for whom nothing is to run, as long as nobody opens the route again.
    pub(crate) fn enter_visit(
        &mut self,
        caller: &Caller<'_>,
        now: u64,
    ) -> Result<Option<StreamKey>, Refusal> {
        let Some((route, parameters)) = self.routes.find(caller.path) else {
            return Ok(None);
        };
        let link = route.owner.0;
        if self
            .visits
            .counts
            .get(&link)
            .is_some_and(|&it| it >= MAX_VISITS)
        {
            return Err(Refusal::Limit(format!(
                "expected at most {MAX_VISITS} readers of one kernel's generators, got one more; ask again later"
            )));
        }
        let mut request = caller.request()?;
        request.insert("path_params".to_owned(), parameters_of(parameters));
        let visit = Visit {
            route: route.serial,
            owner: route.owner,
            kernel: route.producer.kernel.clone(),
            begin: None,
            producer: None,
            request: Value::Object(request).to_string().into(),
            received: 0,
            granted: 0,
            next: 1,
            is_awaited: caller.is_awaited,
        };
        let stream = self.private_stream(caller.path, Some(route), now);
        let key = self.add_private(stream);
        self.visits.all.insert(key, visit);
        self.visits.count_more(link);
        Ok(Some(key))
    }

    /// What a reader reads who is refused, and reads on what else it asked for: a stream that has ended so.
    pub(crate) fn refuse_visit(&mut self, path: &str, refusal: &Refusal, now: u64) -> StreamKey {
        let mut stream = self.private_stream(path, None, now);
        let status = if matches!(refusal, Refusal::Large(_)) {
            431
        } else {
            503
        };
        let error = json!({"type": "Refused", "message": refusal.to_string(), "status": status});
        stream.end(EndReason::Refused, Some(error), now);
        self.add_private(stream)
    }

    fn private_stream(&self, path: &str, route: Option<&Route>, now: u64) -> Stream {
        // What is held is what its reader has not got: there is no history.
        let bounds = HistoryBounds {
            events: 0,
            bytes: 0,
            age: None,
        };
        let run = Run {
            number: 1,
            kind: RunKind::Visit,
            first: 1,
            producer: route.map(|route| route.producer.clone()),
            started_at: now,
        };
        let mut stream = Stream::new(path, bounds, run, Last::default(), self.seq());
        stream.ping_interval = route.and_then(|route| route.ping_interval);
        stream.end_number = Some(end_number_of(route.map_or(0, |route| route.serial)));
        stream
    }

    /// Tells the owner of a visit's route that a reader waits.
    fn begin(&mut self, key: StreamKey) {
        let number = self.draw_begin();
        let Some(visit) = self.visits.all.get_mut(&key) else {
            return;
        };
        visit.begin = Some(number);
        (visit.received, visit.granted) = (0, 0);
        let owner = visit.owner;
        let mut frame = Vec::new();
        ToKernel::Begin {
            key: owner.1,
            visit: number,
            request: &visit.request,
        }
        .encode(&mut frame);
        self.outbox.push((owner.0, frame));
        let stream = Some(key);
        self.visits.begins.insert(number, Begin { owner, stream });
    }

    /// A kernel opens what it was told to begin. Returns the number of the run.
    ///
    /// # Errors
    ///
    /// [`Refusal::Gone`]: the reader has left, or has another producer by now.
    pub(crate) fn open_visit(
        &mut self,
        id: &LinkId,
        key: u32,
        options: &str,
    ) -> Result<u32, Refusal> {
        let options: Value = serde_json::from_str(options).unwrap_or_default();
        let number = options.get("visit").and_then(Value::as_u64);
        let number = number.unwrap_or_default();
        let begin = self.visits.begins.get(&number);
        if begin.is_none_or(|begin| begin.owner.0 != *id) {
            return Err(Refusal::Gone);
        }
        let stream = self.visits.begins.remove(&number).and_then(|it| it.stream);
        let Some(stream) = stream else {
            self.visits.count_less(id);
            return Err(Refusal::Gone);
        };
        if let Some(visit) = self.visits.all.get_mut(&stream) {
            visit.begin = None;
            visit.producer = Some((*id, key));
        }
        let held = self.stream_mut(stream).ok_or(Refusal::Gone)?;
        held.producers.insert((*id, key));
        held.owner = Some((*id, key));
        let open = OpenStream {
            stream,
            run: held.run.number,
            is_told: false,
            is_visit: true,
        };
        if let Some(link) = self.links.get_mut(id) {
            link.keys.insert(key, open);
        }
        Ok(open.run)
    }

    /// A visit's run is over.
    pub(crate) fn visit_ended(&mut self, stream: StreamKey) {
        self.visit_began(stream);
        if let Some(visit) = self.visits.all.get_mut(&stream) {
            visit.producer = None;
        }
    }

    /// The reader of a visit has left: its producer is told to stop, and nothing is kept.
    pub(crate) fn visit_left(&mut self, stream: StreamKey) {
        self.remove_private(stream);
        let Some(visit) = self.visits.all.remove(&stream) else {
            return;
        };
        if let Some(number) = visit.begin {
            self.visits.orphan(number);
        }
        self.visits.count_less(&visit.owner.0);
        if let Some((link, key)) = visit.producer {
            self.tell(link, &ToKernel::Stop { key });
        }
    }

    /// A number that no kernel has been told, by this hub or one before it: some may still be about to answer that.
    fn draw_begin(&mut self) -> u64 {
        let base = self.epoch().as_str().bytes().fold(0, |sum: u64, byte| {
            sum.wrapping_mul(131).wrapping_add(u64::from(byte))
        });
        self.visits.last_begin += 1;
        (base >> 24 << 24).wrapping_add(self.visits.last_begin)
    }
}

#[cfg(test)]
mod tests;
