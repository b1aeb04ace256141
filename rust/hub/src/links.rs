//! The hub's side of a link: what the frames of one kernel do to the state.

use std::collections::HashMap;

use jupyter_sse_codec::frame::{ToHub, ToKernel};
use jupyter_sse_codec::{EndReason, RunKind};
use serde_json::{Value, json};

use crate::log::Incoming;
use crate::opening::answer_open;
use crate::state::{State, StreamKey};
use crate::stream::{LinkId, Producer, ProducerInfo, RunState, Stream};

/// What the hub remembers of a link, also while it is down.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) is_connected: bool,
    pub(crate) producer: ProducerInfo,
    last_seq: u64,
    pub(crate) keys: HashMap<u32, OpenStream>,
}

/// What a link's key stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenStream {
    pub(crate) stream: StreamKey,
    pub(crate) run: u32,
}

impl LinkState {
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn pid(&self) -> u32 {
        self.producer.pid
    }
}

impl State {
    /// A link says hello, for the first time or again. Returns the answer.
    pub(crate) fn link_up(&mut self, id: LinkId, producer: ProducerInfo) -> Vec<u8> {
        let known = self.links.contains_key(&id);
        let link = self.links.entry(id).or_insert_with(|| LinkState {
            is_connected: true,
            producer,
            last_seq: 0,
            keys: HashMap::new(),
        });
        link.is_connected = true;
        let last_seq = link.last_seq;
        let streams: Vec<StreamKey> = link.keys.values().map(|open| open.stream).collect();
        for key in streams {
            if let Some(stream) = self
                .stream_mut(key)
                .filter(|stream| stream.state == RunState::Lost)
            {
                stream.state = RunState::Live;
                self.mark_dirty(key);
            }
        }
        let server = json!({"url": self.options().url, "pid": std::process::id()}).to_string();
        let epoch = self.epoch().to_string();
        let mut frame = Vec::new();
        let version = jupyter_sse_codec::frame::VERSION;
        ToKernel::Welcome {
            version,
            epoch: &epoch,
            known,
            last_seq,
            server: &server,
        }
        .encode(&mut frame);
        frame
    }

    /// A link broke. Its process may still be there.
    pub(crate) fn link_down(&mut self, id: &LinkId) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.is_connected = false;
        let streams: Vec<StreamKey> = link.keys.values().map(|open| open.stream).collect();
        for key in streams {
            let is_fed = self.stream(key).is_some_and(|stream| {
                stream.run.kind == RunKind::Post
                    || stream
                        .producers
                        .iter()
                        .any(|(id, _)| self.links.get(id).is_some_and(|link| link.is_connected))
            });
            if let Some(stream) = self
                .stream_mut(key)
                .filter(|stream| !is_fed && stream.state == RunState::Live)
            {
                stream.state = RunState::Lost;
                self.mark_dirty(key);
            }
        }
    }

    /// A link's process is gone, or the link will not come back: what only it produced has ended.
    pub(crate) fn link_gone(&mut self, id: &LinkId, now: u64) {
        self.link_down(id);
        let Some(link) = self.links.remove(id) else {
            return;
        };
        let kernel_is_up = self
            .links
            .values()
            .any(|other| other.is_connected && other.producer.kernel == link.producer.kernel);
        for (&key, open) in &link.keys {
            self.leave((*id, key), *open, EndReason::Lost, None, now);
            // A child process that only sent may go without ending what its kernel goes on with.
            if !kernel_is_up {
                self.end_if_unfed(*open, EndReason::Lost, None, now);
            }
        }
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
            if seq <= link.last_seq {
                self.counters.duplicates += 1;
                return;
            }
            link.last_seq = seq;
        }
        match *frame {
            ToHub::Event {
                key,
                event,
                id: own_id,
                body,
                ..
            } => {
                if let Some(open) = self.writable(id, key) {
                    self.append(
                        open.stream,
                        now,
                        Incoming {
                            event,
                            id: own_id,
                            body,
                        },
                    );
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
                let kind = if kind == RunKind::Send.as_u8() {
                    RunKind::Send
                } else {
                    RunKind::Run
                };
                let opened = self.open(id, key, kind, stream, options, now);
                answer_open(request, key, &opened, reply);
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
                    let error: Option<Value> = serde_json::from_str(error).ok();
                    self.leave((*id, key), open, reason, error.clone(), now);
                    self.end_if_unfed(open, reason, error, now);
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

    /// The open stream behind a key, as long as its run is the current one: late events of a replaced run are dropped.
    fn writable(&self, id: &LinkId, key: u32) -> Option<OpenStream> {
        let open = *self.links.get(id)?.keys.get(&key)?;
        self.stream(open.stream)
            .filter(|stream| stream.run.number == open.run && !stream.is_ended())
            .map(|_| open)
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

fn sequence_of(frame: &ToHub<'_>) -> Option<u64> {
    match *frame {
        ToHub::Open { seq, .. }
        | ToHub::Event { seq, .. }
        | ToHub::Lost { seq, .. }
        | ToHub::End { seq, .. } => Some(seq),
        ToHub::Hello { .. } | ToHub::Subscribe { .. } | ToHub::Request { .. } => None,
    }
}
