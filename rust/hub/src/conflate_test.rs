//! What a reader gets who wants fewer events, by the rule alone and with everything that can happen around it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use jupyter_sse_codec::{Decoder, EndReason, Epoch, RunKind, encode_body};
use serde_json::Value;

use super::{Held, Lost, MAX_TYPES, MAX_TYPES_BYTES};
use crate::clock::Now;
use crate::log::Incoming;
use crate::options::{HistoryBounds, HubOptions};
use crate::query::{Query, subscribe};
use crate::reader::{Next, Reader, SharedBatch, lock};
use crate::state::State;
use crate::subscription::Wants;

const INTERVAL: u64 = 100;

#[test]
fn the_newest_of_each_type_is_held_and_written_in_order() {
    let mut held = Held::default();
    for (n, kind) in [b"a", b"b", b"a", b"c", b"b"].iter().enumerate() {
        assert!(held.look_at(*kind, n as u64 + 1));
    }
    assert_eq!((held.first(), held.first_due()), (Some(3), None));
    held.release();
    let mut due = Vec::new();
    while let Some(n) = held.take_due() {
        due.push(n);
    }
    assert_eq!((due, held.left_out()), (vec![3, 4, 5], 2));
}

#[test]
fn what_is_held_has_a_bound_on_its_types() {
    let mut held = Held::default();
    for n in 0..MAX_TYPES as u64 {
        assert!(held.look_at(n.to_string().as_bytes(), n));
    }
    assert!(!held.look_at(b"one more", 99));
    assert!(held.look_at(b"0", 100));
    held.release();
    assert!(held.look_at(b"one more", 101));
}

#[test]
fn what_is_held_has_a_bound_on_the_bytes_of_its_types() {
    let mut held = Held::default();
    let long = |letter: u8| vec![letter; MAX_TYPES_BYTES / 2];
    assert!(held.look_at(&long(b'a'), 1));
    assert!(held.look_at(&long(b'b'), 2));
    assert!(!held.look_at(b"c", 3));
    assert!(held.look_at(&long(b'a'), 3));
    held.release();
    // Whatever its length, one can be held: else nothing would go on.
    assert!(held.look_at(&[b'd'; MAX_TYPES_BYTES + 1], 4));
    assert!(!held.look_at(b"c", 5));
}

#[test]
fn what_leaves_the_log_before_its_time_is_lost_and_not_left_out() {
    let mut held = Held::default();
    for (n, kind) in [(1, b"a"), (2, b"b"), (3, b"c"), (4, b"a")] {
        held.look_at(kind, n);
    }
    held.release();
    held.look_at(b"a", 5);
    let lost = held.lose_before(4);
    let two = Lost {
        from: 2,
        to: 3,
        count: 2,
    };
    assert_eq!((lost, held.left_out()), (Some(two), 1));
    assert_eq!((held.lose_before(4), held.first()), (None, Some(4)));
}

/// A hub, one reader who wants fewer events, and what it got.
struct Desk {
    state: Mutex<State>,
    now: u64,
    query: Query,
    reader: Reader,
    shared: SharedBatch,
    decoder: Decoder,
    last_id: String,
    /// What was published: stream, type, data.
    published: Vec<(String, String, String)>,
    /// What came: when, stream, type, data.
    got: Vec<(u64, String, String, String)>,
    lost: u64,
    ends: usize,
    /// How often its reader came back.
    returns: usize,
    /// How much had come when it last did.
    got_before: usize,
}

fn now(at: u64) -> Now {
    Now { unix: at, mono: at }
}

impl Desk {
    fn new(options: HubOptions, names: &[&str], single: bool) -> Self {
        let mut state = State::new(options, Epoch::from_random(1));
        for name in names {
            state.start_run(name, RunKind::Send, None, 0).unwrap();
        }
        let query = Query {
            streams: names.iter().map(|&name| name.to_owned()).collect(),
            wants: Wants {
                single,
                ..Wants::default()
            },
            conflate: Some(Duration::from_millis(INTERVAL)),
            ..Query::default()
        };
        let subscription = subscribe(&mut state, query.clone(), 0).unwrap();
        Self {
            state: Mutex::new(state),
            now: 1000,
            query,
            reader: Reader::new(subscription, Vec::new(), now(0), u64::MAX),
            shared: SharedBatch::default(),
            decoder: Decoder::new(1 << 20),
            last_id: String::new(),
            published: Vec::new(),
            got: Vec::new(),
            lost: 0,
            ends: 0,
            returns: 0,
            got_before: 0,
        }
    }

    fn publish(&mut self, name: &str, kind: &str, bytes: usize) {
        let data = format!("{}{}", self.published.len(), "x".repeat(bytes));
        let mut body = Vec::new();
        encode_body(&mut body, Some(&data), None, None);
        let incoming = Incoming {
            event: kind.as_bytes(),
            id: b"",
            body: &body,
        };
        let mut state = lock(&self.state);
        let key = state.find(name).unwrap().0;
        state.append(key, self.now, incoming);
        self.published
            .push((name.to_owned(), kind.to_owned(), data));
    }

    /// Gives the reader what there is for it, `most` times.
    fn read(&mut self, most: usize) {
        for _ in 0..most {
            self.shared.forget();
            let at = now(self.now);
            match self.reader.next(&self.state, at, &mut self.shared) {
                Next::Pending => {}
                Next::Rest | Next::Close => return,
                Next::Batch => unreachable!("each event is chosen"),
            }
            let text = self.reader.pending().to_vec();
            self.reader.consume(text.len(), at);
            let mut events = Vec::new();
            self.decoder
                .feed(&text, |event| {
                    events.push((event.event.to_owned(), event.data.to_owned()));
                })
                .unwrap();
            self.decoder.last_event_id().clone_into(&mut self.last_id);
            for (kind, data) in events {
                self.take(kind, data);
            }
        }
    }

    fn take(&mut self, kind: String, data: String) {
        match kind.as_str() {
            "sse.gap" => {
                let gap: Value = serde_json::from_str(&data).unwrap();
                self.lost += gap["lost"]["count"].as_u64().unwrap_or(1);
            }
            "sse.end" => self.ends += 1,
            _ => {
                let (name, kind) = if self.query.wants.single {
                    (self.query.streams[0].clone(), kind)
                } else {
                    let (name, kind) = kind.split_once(':').unwrap();
                    (name.to_owned(), kind.to_owned())
                };
                self.got.push((self.now, name, kind, data));
            }
        }
    }

    /// The connection breaks; the reader comes back with its last id.
    fn come_back(&mut self) {
        let query = Query {
            last_event_id: Some(self.last_id.clone()),
            ..self.query.clone()
        };
        let subscription = subscribe(&mut lock(&self.state), query, 0).unwrap();
        self.reader = Reader::new(subscription, Vec::new(), now(self.now), u64::MAX);
        self.decoder = Decoder::new(1 << 20);
        self.check_spacing();
        self.returns += 1;
        self.got_before = self.got.len();
    }

    /// On one connection no two events of one stream and type came sooner than they may.
    fn check_spacing(&self) {
        let mut newest: HashMap<(&str, &str), u64> = HashMap::new();
        for (at, name, kind, _) in &self.got[self.got_before..] {
            let before = newest.insert((name, kind), *at);
            assert!(
                before.is_none_or(|before| *at >= before + INTERVAL),
                "too often: {kind}"
            );
        }
    }

    fn data(&self) -> Vec<&str> {
        self.got.iter().map(|(.., data)| data.as_str()).collect()
    }

    fn conflated(&self) -> u64 {
        lock(&self.state).counters.conflated
    }
}

#[test]
fn an_event_after_silence_comes_at_once_and_those_after_it_as_one() {
    let mut desk = Desk::new(HubOptions::default(), &["a"], true);
    desk.publish("a", "message", 0);
    desk.read(9);
    assert_eq!(desk.data(), ["0"]);
    for _ in 0..5 {
        desk.now += 10;
        desk.publish("a", "message", 0);
        desk.read(9);
    }
    assert_eq!(desk.data(), ["0"]);
    let due = desk.reader.deadline(&lock(&desk.state), now(desk.now));
    assert_eq!(due, 1000 + INTERVAL);
    desk.now = due;
    desk.read(9);
    assert_eq!((desk.data(), desk.conflated()), (vec!["0", "5"], 4));
}

#[test]
fn the_last_event_comes_before_the_end() {
    for single in [true, false] {
        let mut desk = Desk::new(HubOptions::default(), &["a"], single);
        desk.publish("a", "tick", 0);
        desk.read(9);
        desk.publish("a", "tick", 0);
        desk.publish("a", "tick", 0);
        let key = lock(&desk.state).find("a").unwrap().0;
        lock(&desk.state).end_run(key, EndReason::Done, None, desk.now);
        desk.read(9);
        assert_eq!((desk.data(), desk.ends), (vec!["0"], 0));
        desk.now += INTERVAL;
        desk.read(9);
        assert_eq!((desk.data(), desk.ends), (vec!["0", "2"], 1));
    }
}

#[test]
fn more_types_than_are_held_come_sooner_and_none_is_lost() {
    let mut desk = Desk::new(HubOptions::default(), &["a"], true);
    for n in 0..3 * MAX_TYPES {
        desk.publish("a", &format!("t{n}"), 0);
    }
    desk.read(99);
    desk.now += INTERVAL;
    desk.read(99);
    assert_eq!(desk.got.len(), 3 * MAX_TYPES);
}

#[test]
fn a_long_history_is_looked_at_in_parts_and_comes_as_its_last_events() {
    let options = HubOptions {
        history: HistoryBounds {
            events: 100_000,
            bytes: 1 << 30,
            age: None,
        },
        ..HubOptions::default()
    };
    let mut desk = Desk::new(options, &["a"], true);
    for n in 0..20_000 {
        desk.publish("a", if n % 2 == 0 { "even" } else { "odd" }, 0);
    }
    desk.read(99);
    assert_eq!(desk.data(), ["19998", "19999"]);
    assert_eq!(desk.conflated(), 19_998);
}

/// A small source of chance.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

fn run(seed: u64) {
    let mut dice = Dice(seed);
    let single = dice.below(2) == 0;
    let names: &[&str] = if single { &["a"] } else { &["a", "b", "c"] };
    let options = HubOptions {
        history: HistoryBounds {
            events: [5, 10_000][dice.below(2) as usize],
            bytes: 1 << 20,
            age: None,
        },
        live_window_bytes: [300, 1 << 20][dice.below(2) as usize],
        ..HubOptions::default()
    };
    let mut desk = Desk::new(options, names, single);
    for _ in 0..300 {
        desk.now += dice.below(30);
        match dice.below(8) {
            0..=3 => {
                let name = names[dice.below(names.len() as u64) as usize];
                let kind = ["message", "x", "y"][dice.below(3) as usize];
                let bytes = dice.below(60) as usize;
                desk.publish(name, kind, bytes);
            }
            4..=6 => desk.read(1 + dice.below(3) as usize),
            _ if dice.below(6) == 0 && !desk.last_id.is_empty() => {
                desk.come_back();
            }
            _ => {}
        }
    }
    for _ in 0..3 {
        desk.now += INTERVAL;
        desk.read(99);
    }
    check(&desk, seed);
}

fn check(desk: &Desk, seed: u64) {
    desk.check_spacing();
    let mut order: HashMap<&str, usize> = HashMap::new();
    for (_, name, _, data) in &desk.got {
        let place = desk.published.iter().position(|it| it.2 == *data).unwrap();
        let before = order.insert(name, place);
        assert!(
            before.is_none_or(|before| before < place),
            "seed {seed}: order"
        );
    }
    let mut last: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (name, kind, data) in &desk.published {
        last.insert((name, kind), data);
    }
    for ((name, kind), data) in last {
        let is_there = desk.data().contains(&data);
        assert!(
            is_there || desk.lost > 0,
            "seed {seed}: no {name}:{kind} {data}"
        );
    }
    let all = desk.got.len() as u64 + desk.conflated() + desk.lost;
    if desk.returns == 0 {
        assert_eq!(
            all,
            desk.published.len() as u64,
            "seed {seed}: received, left out, lost"
        );
    }
}

#[test]
fn at_most_one_event_of_stream_and_type_comes_in_an_interval_always_the_last() {
    for seed in 0..600 {
        run(seed);
    }
}
