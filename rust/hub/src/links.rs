//! The hub's side of a link: what the frames of one kernel do to the state.

use jupyter_sse_codec::frame::{ToHub, ToKernel, VERSION, event_cost};
use jupyter_sse_codec::{EndReason, RunKind};
use serde_json::{Value, json};

use crate::block::is_one_event;
use crate::gone_links::Heard;
use crate::log::Incoming;
use crate::number_map::NumberMap;
use crate::opening::answer_open;
use crate::state::{Refusal, State, StreamKey};
use crate::stream::{LinkId, Producer, ProducerInfo, RunState, Stream};
use crate::visit::refusal_status;

/// What is kept of the error that ended a run, in bytes.
const MAX_ERROR_TYPE_BYTES: usize = 256;
const MAX_ERROR_BYTES: usize = 8 << 10;

/// What the hub remembers of a link, also while it is down.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) is_connected: bool,
    pub(crate) producer: ProducerInfo,
    heard: Heard,
    pub(crate) keys: NumberMap<u32, OpenStream>,
}

/// What a link's key stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenStream {
    pub(crate) stream: StreamKey,
    pub(crate) run: u32,
    /// Its run is over and it was told so.
    pub(crate) is_told: bool,
    /// It is one reader's alone.
    pub(crate) is_visit: bool,
}

impl LinkState {
    pub(crate) fn last_seq(&self) -> u64 {
        self.heard.last_seq
    }

    pub(crate) fn pid(&self) -> u32 {
        self.producer.pid
    }
}

impl State {
    /// A link says hello, for the first time or again. Returns the answer.
    pub(crate) fn link_up(&mut self, id: LinkId, producer: ProducerInfo) -> Vec<u8> {
        let known = self.links.contains_key(&id);
        let gone_links = &mut self.gone_links;
        let link = self.links.entry(id).or_insert_with(|| LinkState {
            is_connected: true,
            producer,
            heard: gone_links.take(&id),
            keys: NumberMap::default(),
        });
        link.is_connected = true;
        let last_seq = link.heard.last_seq;
        let mut frames = self.welcome(known, last_seq);
        for (key, open) in self.current_keys(&id) {
            let Some(stream) = self.stream_mut(open.stream) else {
                continue;
            };
            if stream.stopping_since.is_some() {
                // It may have been told over the connection that broke.
                ToKernel::Stop { key }.encode(&mut frames);
            }
            self.find_producer_again(open.stream);
        }
        self.tell_visits(&id, &mut frames);
        frames
    }

    /// The frame that answers `Hello`.
    pub(crate) fn welcome(&self, known: bool, last_seq: u64) -> Vec<u8> {
        let server = json!({"url": self.options().url, "pid": std::process::id()}).to_string();
        let mut frame = Vec::new();
        ToKernel::Welcome {
            version: VERSION,
            epoch: self.epoch().as_str(),
            known,
            last_seq,
            server: &server,
        }
        .encode(&mut frame);
        frame
    }

    /// The streams that a link has open, as far as their runs go on.
    fn current_keys(&self, id: &LinkId) -> Vec<(u32, OpenStream)> {
        let keys = self.links.get(id).map(|link| link.keys.iter());
        keys.into_iter()
            .flatten()
            .map(|(&key, &open)| (key, open))
            .filter(|(_, open)| self.is_current(*open))
            .collect()
    }

    fn is_current(&self, open: OpenStream) -> bool {
        self.stream(open.stream)
            .is_some_and(|stream| stream.run.number == open.run && !stream.is_ended())
    }

    /// A link broke. Its process may still be there.
    pub(crate) fn link_down(&mut self, id: &LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.is_connected = false;
        for (_, open) in self.current_keys(id) {
            let key = open.stream;
            let is_fed = self.stream(key).is_some_and(|stream| {
                stream.run.kind == RunKind::Post || self.has_connected_producer(stream)
            });
            if let Some(stream) = self.stream_mut(key)
                && !is_fed
                && stream.state == RunState::Live
            {
                stream.state = RunState::Lost;
                self.mark_dirty(key);
            }
        }
    }

    fn has_connected_producer(&self, stream: &Stream) -> bool {
        let is_up = |id: &LinkId| self.links.get(id).is_some_and(|link| link.is_connected);
        stream.producers.iter().any(|(id, _)| is_up(id))
    }

    fn find_producer_again(&mut self, key: StreamKey) {
        if let Some(stream) = self.stream_mut(key)
            && stream.state == RunState::Lost
        {
            stream.state = RunState::Live;
            self.mark_dirty(key);
        }
    }

    /// A link's process is gone, or the link will not come back: what only it produced has ended.
    pub(crate) fn link_gone(&mut self, id: &LinkId, now: u64) {
        self.link_down(id);
        let Some(link) = self.links.remove(id) else {
            return;
        };
        self.gone_links.remember(*id, link.heard);
        for (&key, open) in &link.keys {
            self.leave((*id, key), *open, EndReason::Lost, None, now);
        }
        self.routes_gone(id, now);
        let kernel = &link.producer.kernel;
        let is_up = |other: &LinkState| other.is_connected && other.producer.kernel == *kernel;
        if self.links.values().any(is_up) {
            // A child process that only sent may go without ending what its kernel goes on with.
            for open in link.keys.values() {
                self.go_on_without_producer(*open);
            }
            return;
        }
        for open in link.keys.values() {
            self.end_if_unfed(*open, EndReason::Lost, None, now);
        }
        for key in self.abandoned_by(kernel) {
            self.end_run(key, EndReason::Lost, None, now);
        }
    }

    fn go_on_without_producer(&mut self, open: OpenStream) {
        let is_sent = |stream: &Stream| stream.run.kind == RunKind::Send;
        if self.is_current(open) && self.stream(open.stream).is_some_and(is_sent) {
            self.find_producer_again(open.stream);
        }
    }

    /// What a kernel sent and nobody sends any more, also by child processes that went before it.
    fn abandoned_by(&self, kernel: &str) -> Vec<StreamKey> {
        let is_of = |stream: &Stream| {
            let producer = stream.run.producer.as_ref();
            producer.is_some_and(|producer| producer.kernel == kernel)
        };
        self.streams()
            .filter(|(_, stream)| {
                stream.run.kind == RunKind::Send
                    && !stream.is_ended()
                    && stream.producers.is_empty()
                    && is_of(stream)
            })
            .map(|(key, _)| key)
            .collect()
    }

    /// One frame of a link that is up; answers go to `reply`. Frames that came before are dropped.
    pub(crate) fn link_frame(
        &mut self,
        id: &LinkId,
        frame: &ToHub<'_>,
        now: u64,
        reply: &mut Vec<u8>,
    ) {
        if let Some(seq) = sequence_of(frame).filter(|&seq| seq > 0) {
            let Some(link) = self.links.get_mut(id) else {
                return;
            };
            if seq <= link.heard.last_seq {
                self.counters.duplicates += 1;
                return;
            }
            link.heard.last_seq = seq;
        }
        match *frame {
            ToHub::Event {
                key,
                event,
                id: own_id,
                body,
                ..
            } => {
                let incoming = Incoming {
                    event,
                    id: own_id,
                    body,
                };
                match self.writable(id, key) {
                    Some(open) => {
                        self.take_event(open.stream, now, incoming);
                        if open.is_visit {
                            let cost = event_cost(event.len(), own_id.len(), body.len());
                            self.visit_event(open.stream, cost);
                        }
                    }
                    None => self.stop_late(id, key, reply),
                }
            }
            ToHub::Open {
                key,
                request,
                kind,
                stream,
                options,
                ..
            } => {
                // What is posted comes over no link.
                let kind = RunKind::from_u8(kind).filter(|&kind| kind != RunKind::Post);
                let kind = kind.unwrap_or(RunKind::Run);
                let opened = match self.refusal(id, key) {
                    Some(refusal) => Err(refusal),
                    None => self.open(id, key, kind, stream, options, now),
                };
                self.remember_refusal(id, key, opened.as_ref().err());
                answer_open(request, key, &opened, reply);
                if kind == RunKind::Visit
                    && let Some(open) = self.writable(id, key)
                {
                    self.tell_credit(open.stream, reply);
                }
            }
            ToHub::Head { key, head, .. } => {
                if let Some(open) = self.writable(id, key) {
                    self.visit_head(open.stream, head);
                }
            }
            ToHub::Lost { key, count, .. } => {
                self.counters.lost_by_links = self.counters.lost_by_links.saturating_add(count);
                if let Some(open) = self.writable(id, key) {
                    self.add_hole(open.stream, count);
                }
            }
            ToHub::End {
                key, reason, error, ..
            } => {
                let open = self
                    .links
                    .get_mut(id)
                    .and_then(|link| link.keys.remove(&key));
                let reason = EndReason::from_u8(reason).unwrap_or(EndReason::Done);
                if let Some(open) = open {
                    let is_refused = reason == EndReason::Refused && open.is_visit;
                    if is_refused && self.is_current(open) {
                        self.visit_refused(open.stream, error);
                    }
                    let error = error_from(error, is_refused);
                    self.leave((*id, key), open, reason, error.clone(), now);
                    self.end_if_unfed(open, reason, error, now);
                } else {
                    self.close_route(id, key, now);
                }
            }
            ToHub::Request { request, body } => {
                let (status, body) = self.answer(body, now);
                ToKernel::Answer {
                    request,
                    status,
                    body: &body.to_string(),
                }
                .encode(reply);
            }
            ToHub::Hello { .. } | ToHub::Subscribe { .. } => {}
        }
    }

    /// Why a key of a link is refused, if it was.
    fn refusal(&self, id: &LinkId, key: u32) -> Option<Refusal> {
        self.links.get(id)?.heard.refusal(key)
    }

    fn remember_refusal(&mut self, id: &LinkId, key: u32, refusal: Option<&Refusal>) {
        if let (Some(link), Some(refusal)) = (self.links.get_mut(id), refusal) {
            link.heard.refuse(key, refusal);
        }
    }

    /// One event of a kernel. It is not trusted: what is no event is dropped, and readers are told that one is missing.
    fn take_event(&mut self, key: StreamKey, now: u64, incoming: Incoming<'_>) {
        if incoming.body.len() <= self.options().max_event_bytes && is_one_event(&incoming) {
            self.append(key, now, incoming);
        } else {
            self.counters.refused += 1;
            self.add_hole(key, 1);
        }
    }

    /// A producer goes on although its run is over: it was replaced, or ended while its link was down, or did not stop in time.
    fn stop_late(&mut self, id: &LinkId, key: u32, reply: &mut Vec<u8>) {
        let open = self.links.get_mut(id).and_then(|it| it.keys.get_mut(&key));
        if let Some(open) = open.filter(|open| !open.is_told) {
            open.is_told = true;
            ToKernel::Stop { key }.encode(reply);
        }
    }

    /// The open stream behind a key, as long as its run is the current one: late events of a replaced run are dropped.
    fn writable(&self, id: &LinkId, key: u32) -> Option<OpenStream> {
        let open = *self.links.get(id)?.keys.get(&key)?;
        self.is_current(open).then_some(open)
    }

    /// One producer leaves a run. A run with an owner ends with it.
    fn leave(
        &mut self,
        producer: Producer,
        open: OpenStream,
        reason: EndReason,
        error: Option<Value>,
        now: u64,
    ) {
        let Some(stream) = self
            .stream_mut(open.stream)
            .filter(|stream| stream.run.number == open.run)
        else {
            return;
        };
        stream.producers.remove(&producer);
        if stream.owner == Some(producer) {
            self.end_run(open.stream, reason, error, now);
        }
    }

    /// A run without owner ends with its last producer, but for one that lives on HTTP.
    fn end_if_unfed(
        &mut self,
        open: OpenStream,
        reason: EndReason,
        error: Option<Value>,
        now: u64,
    ) {
        let is_unfed = |stream: &Stream| {
            stream.run.number == open.run
                && stream.run.kind == RunKind::Send
                && stream.producers.is_empty()
        };
        if self.stream(open.stream).is_some_and(is_unfed) {
            self.end_run(open.stream, reason, error, now);
        }
    }
}

/// The first `most` bytes of a text, or a few less: no character is cut in two.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// The error that ended a run, as readers are told: its type, its message and its line, and not without bound.
fn error_from(text: &str, is_refused: bool) -> Option<Value> {
    let error: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str, most: usize| {
        let text = error.get(name).and_then(Value::as_str);
        cut(text.unwrap_or_default(), most)
    };
    let mut told = json!({
        "type": field("type", MAX_ERROR_TYPE_BYTES),
        "message": field("message", MAX_ERROR_BYTES),
        "line": error.get("line").and_then(Value::as_u64),
    });
    if is_refused {
        told["status"] = json!(refusal_status(&error));
    }
    Some(told)
}

fn sequence_of(frame: &ToHub<'_>) -> Option<u64> {
    match *frame {
        ToHub::Open { seq, .. }
        | ToHub::Event { seq, .. }
        | ToHub::Lost { seq, .. }
        | ToHub::End { seq, .. }
        | ToHub::Head { seq, .. } => Some(seq),
        ToHub::Hello { .. } | ToHub::Subscribe { .. } | ToHub::Request { .. } => None,
    }
}
