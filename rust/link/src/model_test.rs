//! Queue and flight against a model of the hub: whatever is sent, cut, dropped and restarted, what arrived plus what
//! was announced as lost is what was sent, in order, nothing twice.

use std::collections::BTreeMap;
use std::io::IoSlice;

use jupyter_sse_codec::frame::{self, ToHub};
use proptest::prelude::*;

use crate::chunk::Chunk;
use crate::flight::{Flight, MAX_SLICES};
use crate::queue::{Full, Queue};

const MAX_BYTES: usize = 16 * 1024;

#[derive(Debug, Clone)]
enum Step {
    Send {
        key: u32,
        bytes: usize,
    },
    /// The hub keeps opens and ends too: nothing may drop them.
    Open {
        key: u32,
    },
    Write {
        bytes: usize,
    },
    Deliver {
        bytes: usize,
    },
    Ack,
    /// The connection breaks; so many bytes of what is on the way still arrive.
    Break {
        arriving: usize,
    },
    /// The hub starts anew and knows nothing.
    Restart,
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (1..4_u32, 0..600_usize).prop_map(|(key, bytes)| Step::Send { key, bytes }),
        1 => (1..4_u32).prop_map(|key| Step::Open { key }),
        4 => (1..5000_usize).prop_map(|bytes| Step::Write { bytes }),
        4 => (1..5000_usize).prop_map(|bytes| Step::Deliver { bytes }),
        2 => Just(Step::Ack),
        1 => (0..3000_usize).prop_map(|arriving| Step::Break { arriving }),
        1 => Just(Step::Restart),
        1 => Just(Step::Drop),
    ];
    prop::collection::vec(step, 0..400)
}

/// What a hub has appended, by its place in the link's sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Event { key: u32, number: u64 },
    Lost { key: u32, count: u64 },
    Open,
}

#[derive(Default)]
struct Hub {
    incoming: Vec<u8>,
    last_seq: u64,
    log: Vec<(u64, Entry)>,
}

impl Hub {
    fn receive(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
        let mut start = 0;
        while let Ok(Some((payload, consumed))) = frame::split(&self.incoming[start..], MAX_BYTES) {
            let (seq, entry) = match ToHub::decode(payload) {
                Ok(ToHub::Event { seq, key, body, .. }) => {
                    let number = u64::from_le_bytes(*body.first_chunk().unwrap_or(&[0xff; 8]));
                    (seq, Entry::Event { key, number })
                }
                Ok(ToHub::Lost { seq, key, count }) => (seq, Entry::Lost { key, count }),
                Ok(ToHub::Open { seq, .. }) => (seq, Entry::Open),
                other => unreachable!("never sent: {other:?}"),
            };
            start += consumed;
            if seq > self.last_seq {
                self.last_seq = seq;
                self.log.push((seq, entry));
            }
        }
        self.incoming.drain(..start);
    }
}

struct World {
    queue: Queue,
    flight: Flight,
    /// Written and not arrived.
    wire: Vec<u8>,
    hub: Hub,
    earlier_logs: Vec<(u64, Entry)>,
    sent: BTreeMap<u32, u64>,
    opens: usize,
}

impl World {
    fn new() -> Self {
        let queue = Queue::new(MAX_BYTES);
        let flight = Flight::new(queue.chunk_bytes());
        let (hub, sent) = (Hub::default(), BTreeMap::new());
        Self {
            queue,
            flight,
            wire: Vec::new(),
            hub,
            earlier_logs: Vec::new(),
            sent,
            opens: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send { key, bytes } => self.send(key, bytes),
            Step::Open { key } => {
                self.opens += 1;
                self.queue.push_beyond(|seq, out| {
                    ToHub::Open {
                        seq,
                        key,
                        request: 1,
                        kind: 0,
                        stream: "name",
                        options: "{}",
                    }
                    .encode(out);
                });
            }
            Step::Write { bytes } => self.write(bytes),
            Step::Deliver { bytes } => self.deliver(bytes),
            Step::Ack => self.ack(),
            Step::Break { arriving } => {
                self.deliver(arriving);
                self.reconnect(self.hub.last_seq.max(self.queue.acked_seq()));
            }
            Step::Restart => {
                self.earlier_logs.append(&mut self.hub.log);
                self.hub = Hub::default();
                self.reconnect(self.queue.acked_seq());
            }
            Step::Drop => drop(self.queue.drop_oldest()),
        }
    }

    fn send(&mut self, key: u32, bytes: usize) {
        let number = self.sent.entry(key).or_default();
        let mut body = number.to_le_bytes().to_vec();
        body.resize(8 + bytes, b'x');
        let used_before = self.queue.used_bytes();
        let outcome = self.queue.push(|seq, out| {
            ToHub::Event {
                seq,
                key,
                event: b"",
                id: b"",
                body: &body,
            }
            .encode(out);
        });
        match outcome {
            Ok(_) => *number += 1,
            Err(Full(frame_bytes)) => {
                assert_eq!(self.queue.used_bytes(), used_before);
                assert!(used_before + frame_bytes > MAX_BYTES);
            }
        }
    }

    fn write(&mut self, bytes: usize) {
        if !self.flight.has_unwritten() {
            self.queue
                .take(bytes, |chunk: Chunk| self.flight.add(chunk));
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.flight.fill(&mut slices);
        let before = self.wire.len();
        for slice in &slices[..count] {
            let room = bytes - (self.wire.len() - before);
            self.wire.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        self.flight.advance(self.wire.len() - before);
    }

    fn deliver(&mut self, bytes: usize) {
        let arriving: Vec<u8> = self.wire.drain(..bytes.min(self.wire.len())).collect();
        self.hub.receive(&arriving);
    }

    fn ack(&mut self) {
        let mut buffers = Vec::new();
        let freed = self.flight.ack(self.hub.last_seq, &mut buffers);
        self.queue.release(self.hub.last_seq, freed, buffers);
    }

    fn reconnect(&mut self, seq: u64) {
        self.wire.clear();
        self.hub.incoming.clear();
        let mut buffers = Vec::new();
        let freed = self.flight.rewind(seq, &mut buffers);
        self.queue.release(seq, freed, buffers);
    }

    fn finish(&mut self) {
        while self.queue.acked_seq() < self.queue.last_seq() {
            self.write(usize::MAX);
            self.deliver(usize::MAX);
            self.ack();
        }
    }

    /// Everything that any hub has appended, in the order of the sequence.
    fn arrived(&self) -> BTreeMap<u64, Entry> {
        let mut arrived = BTreeMap::new();
        for (seq, entry) in self.earlier_logs.iter().chain(&self.hub.log) {
            let earlier = arrived.insert(*seq, entry.clone());
            assert!(
                earlier.is_none_or(|earlier| earlier == *entry),
                "one place, two frames"
            );
        }
        arrived
    }
}

proptest! {
    #[test]
    fn what_arrived_and_what_was_announced_as_lost_is_what_was_sent(steps in steps()) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.finish();
        prop_assert_eq!(world.queue.used_bytes(), 0);
        let mut next: BTreeMap<u32, u64> = BTreeMap::new();
        let mut opens = 0;
        for entry in world.arrived().into_values() {
            match entry {
                Entry::Event { key, number } => {
                    let expected = next.entry(key).or_default();
                    prop_assert_eq!(number, *expected);
                    *expected += 1;
                }
                Entry::Lost { key, count } => *next.entry(key).or_default() += count,
                Entry::Open => opens += 1,
            }
        }
        let sent: BTreeMap<u32, u64> = world.sent.into_iter().filter(|(_, count)| *count > 0).collect();
        prop_assert_eq!(next, sent);
        prop_assert_eq!(opens, world.opens);
    }
}
