//! Kernels that say anything at all, and come and go: the hub keeps its bounds, and what its readers get stays a stream of events.

use std::sync::Mutex;

use jupyter_sse_codec::frame::{ToHub, split};
use jupyter_sse_codec::{Decoder, Epoch, MAX_EVENT_BYTES};
use serde_json::Value;

use super::Choices;
use crate::clock::Now;
use crate::options::{HistoryBounds, HubOptions};
use crate::query::{Query, subscribe};
use crate::reader::{Next, Reader, SharedBatch, lock};
use crate::state::State;
use crate::stream::{LinkId, ProducerInfo};
use crate::subscription::Wants;

const NAMES: [&str; 4] = ["a", "b/c", "", "sse."];
const OPTIONS: [&str; 3] = [
    "{}",
    r#"{"history": {"events": 2}, "ping_interval": 0.1}"#,
    "nonsense",
];
const LINKS: [LinkId; 3] = [[1; 16], [2; 16], [3; 16]];

struct World {
    state: Mutex<State>,
    readers: Vec<(Reader, Vec<u8>)>,
    shared: SharedBatch,
    now: u64,
}

pub fn links(data: &[u8]) {
    let mut choices = Choices(data);
    let mut world = World::new();
    for _ in 0..500 {
        if choices.is_empty() {
            break;
        }
        world.step(&mut choices);
        world.check_bounds();
        lock(&world.state).outbox.clear();
    }
    world.read();
    for (_, bytes) in &world.readers {
        check_stream(bytes);
    }
}

impl World {
    fn new() -> Self {
        let options = HubOptions {
            history: HistoryBounds {
                events: 5,
                bytes: 1000,
                age: None,
            },
            live_window_bytes: 500,
            max_total_bytes: 4000,
            max_event_bytes: 300,
            max_streams: 3,
            ..HubOptions::default()
        };
        let mut world = Self {
            state: Mutex::new(State::new(options, Epoch::from_random(1))),
            readers: Vec::new(),
            shared: SharedBatch::default(),
            now: 1000,
        };
        world.come(true, false);
        world.come(false, true);
        world
    }

    fn come(&mut self, single: bool, control: bool) {
        let streams = if single { vec!["a"] } else { vec!["a", "b/c"] };
        let query = Query {
            streams: streams.into_iter().map(str::to_owned).collect(),
            wait: true,
            wants: Wants {
                single,
                control,
                ..Wants::default()
            },
            ..Query::default()
        };
        let subscription = subscribe(&mut lock(&self.state), query, 0).expect("names of ours");
        let reader = Reader::new(subscription, Vec::new(), self.now(), u64::MAX);
        self.readers.push((reader, Vec::new()));
    }

    fn now(&self) -> Now {
        Now {
            unix: self.now,
            mono: self.now,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        self.now += u64::from(choices.byte());
        let id = LINKS[choices.below(LINKS.len())];
        match choices.below(12) {
            0 => {
                let producer = ProducerInfo {
                    kernel: ["k", "other"][choices.below(2)].to_owned(),
                    label: choices.text(),
                    pid: 1,
                };
                lock(&self.state).link_up(id, producer);
            }
            1 => lock(&self.state).link_down(&id),
            2 => lock(&self.state).link_gone(&id, self.now),
            3 => lock(&self.state).keep_house(self.now),
            4 => {
                let _ = lock(&self.state).end(NAMES[choices.below(4)], self.now);
            }
            5 => self.read(),
            6 => self.say_raw(id, choices),
            _ => self.say(id, choices),
        }
        if !lock(&self.state).take_news().created.is_empty() {
            for (reader, _) in &mut self.readers {
                reader.subscription.look_up(&lock(&self.state));
            }
        }
    }

    /// Bytes that may be frames.
    fn say_raw(&mut self, id: LinkId, choices: &mut Choices<'_>) {
        let mut rest = choices.some();
        while let Ok(Some((payload, used))) = split(rest, 1 << 16) {
            if let Ok(frame) = ToHub::decode(payload) {
                let mut reply = Vec::new();
                lock(&self.state).link_frame(&id, &frame, self.now, &mut reply);
            }
            rest = &rest[used..];
        }
    }

    fn say(&mut self, id: LinkId, choices: &mut Choices<'_>) {
        let (seq, key) = (u64::from(choices.byte()), u32::from(choices.byte() % 4));
        let texts = [choices.text(), choices.text()];
        let body = [b"data: ", choices.some(), b"\n\n"].concat();
        let frame = match choices.below(8) {
            0 | 1 => ToHub::Open {
                seq,
                key,
                request: 1,
                kind: choices.byte() % 5,
                stream: NAMES[choices.below(4)],
                options: OPTIONS[choices.below(3)],
            },
            2 => ToHub::End {
                seq,
                key,
                reason: choices.byte(),
                error: &texts[0],
            },
            3 => ToHub::Lost {
                seq,
                key,
                count: choices.number(),
            },
            4 => ToHub::Request {
                request: 1,
                body: &texts[0],
            },
            _ => ToHub::Event {
                seq,
                key,
                event: texts[0].as_bytes(),
                id: texts[1].as_bytes(),
                body: &body,
            },
        };
        let mut reply = Vec::new();
        lock(&self.state).link_frame(&id, &frame, self.now, &mut reply);
    }

    fn check_bounds(&self) {
        let state = lock(&self.state);
        let held: usize = state.streams().map(|(_, stream)| stream.log.bytes()).sum();
        assert_eq!(held, state.held_bytes());
        assert!(held <= state.options().max_total_bytes);
        let named = state.streams().filter(|(_, stream)| !stream.is_private());
        assert!(named.count() <= state.options().max_streams);
    }

    /// The readers take everything.
    fn read(&mut self) {
        self.shared.forget();
        let now = self.now();
        for (reader, bytes) in &mut self.readers {
            loop {
                match reader.next(&self.state, now, &mut self.shared) {
                    Next::Pending => {
                        bytes.extend_from_slice(reader.pending());
                        reader.consume(reader.pending().len(), now);
                    }
                    Next::Batch => {
                        let batch = &self.shared.batch;
                        bytes.extend_from_slice(&batch.bytes);
                        reader.consume_batch(batch, batch.bytes.len(), now);
                    }
                    Next::Rest | Next::Close => break,
                }
            }
        }
    }
}

/// Every block is whole, every control event is the hub's own.
fn check_stream(bytes: &[u8]) {
    assert!(bytes.is_empty() || bytes.ends_with(b"\n\n"));
    let mut decoder = Decoder::new(MAX_EVENT_BYTES);
    let outcome = decoder.feed(bytes, |event| {
        if event.event.starts_with("sse.") {
            let data: Value = serde_json::from_str(event.data).expect("a control event is JSON");
            assert!(data.is_object());
        }
    });
    assert_eq!(outcome, Ok(()));
}
