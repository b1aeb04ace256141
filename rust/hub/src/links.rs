//! The hub's side of a link: what the frames of one kernel do to the state.

use std::collections::HashMap;
use std::time::Duration;

use jupyter_sse_codec::frame::{ToHub, ToKernel};
use jupyter_sse_codec::{EndReason, RunKind};
use serde_json::{Value, json};

use crate::clock::millis;
use crate::log::Incoming;
use crate::options::HistoryBounds;
use crate::state::{Refusal, State, StreamKey, owned_message};
use crate::stream::{LinkId, Producer, ProducerInfo, RunState, Stream};

/// How long a stream token given to a kernel is good, in milliseconds.
const TOKEN_LIFE: u64 = 24 * 3600 * 1000;
/// The most streams one link may have open.
const MAX_KEYS: usize = 10_000;

/// What the hub remembers of a link, also while it is down.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) is_connected: bool,
    producer: ProducerInfo,
    last_seq: u64,
    keys: HashMap<u32, OpenStream>,
}

/// What a link's key stands for.
#[derive(Debug, Clone, Copy)]
struct OpenStream {
    stream: StreamKey,
    run: u32,
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

    fn open(
        &mut self,
        id: &LinkId,
        key: u32,
        kind: RunKind,
        name: &str,
        options: &str,
        now: u64,
    ) -> Result<u32, Refusal> {
        let Some(link) = self.links.get(id) else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        if let Some(open) = link.keys.get(&key) {
            return Ok(open.run);
        }
        if link.keys.len() >= MAX_KEYS {
            return Err(Refusal::Limit(format!(
                "this kernel has {MAX_KEYS} streams open, the most; close some first"
            )));
        }
        let producer = link.producer.clone();
        let joined = match self.find(name) {
            Some((stream_key, stream)) if !stream.is_ended() => {
                Self::may_join(stream_key, stream, kind, &producer)?
            }
            _ => None,
        };
        let stream_key = match joined {
            Some(stream_key) => stream_key,
            None => self.start_run(name, kind, Some(producer), now)?,
        };
        self.apply_options(stream_key, options);
        let Some(stream) = self.stream_mut(stream_key) else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        stream.producers.insert((*id, key));
        if kind == RunKind::Run {
            stream.owner = Some((*id, key));
        }
        let run = stream.run.number;
        if let Some(link) = self.links.get_mut(id) {
            link.keys.insert(
                key,
                OpenStream {
                    stream: stream_key,
                    run,
                },
            );
        }
        self.mark_dirty(stream_key);
        Ok(run)
    }

    /// Whether a producer joins the stream's live run (the key), starts a new one (`None`) or may do neither.
    fn may_join(
        key: StreamKey,
        stream: &Stream,
        kind: RunKind,
        producer: &ProducerInfo,
    ) -> Result<Option<StreamKey>, Refusal> {
        let is_own = stream
            .run
            .producer
            .as_ref()
            .is_some_and(|owner| owner.kernel == producer.kernel);
        match (kind, stream.run.kind) {
            (RunKind::Send | RunKind::Post, RunKind::Run)
            | (RunKind::Run, RunKind::Run | RunKind::Send)
                if !is_own =>
            {
                Err(Refusal::Owned(owned_message(stream)))
            }
            (RunKind::Send | RunKind::Post, _) => Ok(Some(key)),
            (RunKind::Run, _) => Ok(None),
        }
    }

    fn apply_options(&mut self, key: StreamKey, options: &str) {
        let Ok(options) = serde_json::from_str::<Value>(options) else {
            return;
        };
        let defaults = self.options().history;
        let most_bytes = self.options().max_total_bytes / 2;
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        if let Some(history) = options.get("history").filter(|value| !value.is_null()) {
            stream
                .log
                .set_bounds(bounds_from(history, defaults, most_bytes));
        }
        let interval = options.get("ping_interval").and_then(Value::as_f64);
        if let Some(Ok(interval)) = interval.map(Duration::try_from_secs_f64) {
            stream.ping_interval = Some(millis(interval));
        }
        stream.options = options;
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

    /// What a kernel asks: `{"op": "list" | "stream" | "end" | "token", "name": …}`.
    fn answer(&mut self, body: &str, now: u64) -> (u16, Value) {
        let question: Value = serde_json::from_str(body).unwrap_or_default();
        let name = question
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match question.get("op").and_then(Value::as_str) {
            Some("list") => (200, self.describe_streams(now)),
            Some("stream") => match self.describe_stream(name, now) {
                Some(stream) => (200, stream),
                None => refused(&Refusal::Unknown(name.to_owned())),
            },
            Some("end") => match self.end(name, now) {
                Ok(()) => (200, json!({})),
                Err(refusal) => refused(&refusal),
            },
            Some("token") if self.find(name).is_none() => {
                refused(&Refusal::Unknown(name.to_owned()))
            }
            Some("token") => {
                let expires = now + TOKEN_LIFE;
                let url = self.options().url.clone();
                let token = self.tokens.issue(name, expires);
                (
                    200,
                    json!({"url": format!("{url}/sse/{name}"), "token": token, "expires": expires / 1000}),
                )
            }
            _ => (
                400,
                json!({"reason": "invalid", "message": "op: list, stream, end or token expected"}),
            ),
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

fn answer_open(request: u32, key: u32, opened: &Result<u32, Refusal>, reply: &mut Vec<u8>) {
    let error = match opened {
        Ok(_) => String::new(),
        Err(refusal) => {
            json!({"reason": refusal.reason(), "message": refusal.to_string()}).to_string()
        }
    };
    let run = *opened.as_ref().unwrap_or(&0);
    ToKernel::Opened {
        request,
        key,
        run,
        error: &error,
    }
    .encode(reply);
}

fn refused(refusal: &Refusal) -> (u16, Value) {
    let status = if matches!(refusal, Refusal::Unknown(_)) {
        404
    } else {
        400
    };
    (
        status,
        json!({"reason": refusal.reason(), "message": refusal.to_string()}),
    )
}

/// The history that a stream's maker asks for. More events alone also raise the bound on bytes, by a KiB for each.
fn bounds_from(history: &Value, defaults: HistoryBounds, most_bytes: usize) -> HistoryBounds {
    let number = |name: &str| history.get(name).and_then(Value::as_u64);
    let events = number("events").unwrap_or(defaults.events);
    let bytes = match number("bytes") {
        Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        None => defaults.bytes.max(
            usize::try_from(events)
                .unwrap_or(usize::MAX)
                .saturating_mul(1024),
        ),
    };
    let age = history
        .get("seconds")
        .and_then(Value::as_f64)
        .map_or(defaults.age, |seconds| {
            Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        });
    HistoryBounds {
        events,
        bytes: bytes.min(most_bytes),
        age,
    }
}
