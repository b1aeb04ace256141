//! One hub's state, its readers, and what happens to them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use jupyter_sse_codec::{EndReason, Epoch, RunKind, encode_body};

use super::client::Client;
use super::journal::Journal;
use super::kernel::Kernel;
use super::published::{Event, Published};
use super::random::Random;
use crate::clock::Now;
use crate::log::{Incoming, tests::audit};
use crate::options::{HistoryBounds, HubOptions};
use crate::reader::{SharedBatch, lock};
use crate::state::{Refusal, State};
use crate::stream::ProducerInfo;

pub(super) const NAMES: [&str; 6] = ["a", "b", "c/d", "e", "f", "g"];

/// See the module's text.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) state: Mutex<State>,
    pub(super) epoch: Epoch,
    pub(super) published: BTreeMap<String, Published>,
    pub(super) clients: Vec<Client>,
    pub(super) shared: SharedBatch,
    pub(super) journal: Journal,
    pub(super) now: u64,
    /// Events come over links, from these processes.
    pub(super) is_linked: bool,
    pub(super) is_tight: bool,
    pub(super) kernels: Vec<Kernel>,
    /// Its kernels' links drop events all the time.
    pub(super) is_lossy: bool,
    /// Makes data and own ids unique.
    pub(super) serial: u64,
}

impl World {
    pub(super) fn new(seed: u64, is_linked: bool) -> Self {
        let mut random = Random::new(seed);
        let options = HubOptions {
            history: HistoryBounds {
                events: *random.pick(&[0, 1, 5, 50]),
                bytes: *random.pick(&[300, 3000, 1 << 20]),
                age: random.once_in(4).then_some(Duration::from_millis(1500)),
            },
            live_window_bytes: *random.pick(&[0, 500, 5000, 1 << 20]),
            max_total_bytes: *random.pick(&[4000, 20_000, 1 << 30]),
            max_streams: *random.pick(&[2, 4, 100]),
            max_event_bytes: if is_linked { 2400 } else { 1 << 20 },
            ended_retention: Duration::from_secs(5),
            ..HubOptions::default()
        };
        let is_tight = options.max_total_bytes < 1 << 20;
        let epoch = Epoch::from_random(u128::from(seed));
        let is_lossy = random.once_in(8);
        Self {
            random,
            state: Mutex::new(State::new(options, epoch)),
            epoch,
            published: NAMES
                .map(|it| (it.to_owned(), Published::new(is_tight)))
                .into(),
            clients: Vec::new(),
            is_linked,
            is_tight,
            kernels: Vec::new(),
            shared: SharedBatch::default(),
            journal: Journal::default(),
            now: 1_000_000,
            is_lossy,
            serial: 0,
        }
    }

    pub(super) fn now(&self) -> Now {
        Now {
            unix: self.now,
            mono: self.now,
        }
    }

    /// Something happens.
    pub(super) fn step(&mut self) {
        self.shared.forget();
        self.now += self.random.below(60) as u64;
        let op = self.random.below(30);
        self.journal.note(|| {
            let lengths = self.published.iter().map(|(name, it)| (name, it.len()));
            format!("{op}: {:?}", lengths.collect::<Vec<_>>())
        });
        match op {
            0..=14 if self.is_linked => self.step_over_links(),
            0..=10 => self.publish(),
            11 => self.lose(),
            12 | 13 => self.start_run(),
            14 => self.end_run(),
            15 => self.set_bounds(),
            16 => self.keep_house(),
            17 | 18 => self.come(),
            19 | 20 => self.go_and_come_back(),
            21 => self.change(),
            22 => self.ping(),
            _ => {
                if !self.clients.is_empty() {
                    let at = self.random.below(self.clients.len());
                    let most = 1 + self.random.below(8);
                    self.deliver(at, most);
                }
            }
        }
        self.turn();
        self.check_bounds();
        if self.random.once_in(20) {
            self.audit();
        }
    }

    /// As the reactor does after whatever has happened.
    pub(super) fn turn(&mut self) {
        self.tell_kernels();
        self.forget_departed();
        self.count_subscribers();
    }

    /// Everybody gets everything.
    pub(super) fn finish(&mut self) {
        self.finish_kernels();
        for at in 0..self.clients.len() {
            self.shared.forget();
            self.deliver(at, usize::MAX);
        }
        self.audit();
    }

    fn publish(&mut self) {
        let name = *self.random.pick(&NAMES);
        if lock(&self.state)
            .find(name)
            .is_none_or(|(_, it)| it.is_ended())
        {
            self.start_run_of(name);
        }
        for _ in 0..=self.random.below(12) {
            self.publish_one(name);
            if self.is_lossy && self.random.once_in(2) {
                self.lose_some(name);
            }
        }
    }

    fn publish_one(&mut self, name: &str) {
        let mut state = lock(&self.state);
        let Some((key, stream)) = state.find(name).filter(|(_, it)| !it.is_ended()) else {
            return;
        };
        let run = stream.run.number;
        self.serial += 1;
        let serial = self.serial;
        let large = if self.random.once_in(20) { 2500 } else { 40 };
        let data = format!("{serial}\n{}", "x".repeat(self.random.below(large)));
        let id = if self.random.once_in(3) {
            format!("own {serial}")
        } else {
            String::new()
        };
        let kind = *self.random.pick(&["", "", "tick", "a:b"]);
        let mut body = Vec::new();
        encode_body(&mut body, Some(&data), None, None);
        let incoming = Incoming {
            event: kind.as_bytes(),
            id: id.as_bytes(),
            body: &body,
        };
        let position = state.append(key, self.now, incoming).unwrap();
        let event = Event {
            n: position.n,
            seq: position.seq,
            at: self.now,
            run,
            kind: if kind.is_empty() { "message" } else { kind }.to_owned(),
            id,
            data,
        };
        self.published.get_mut(name).unwrap().push(event);
    }

    fn lose(&mut self) {
        let name = *self.random.pick(&NAMES);
        self.lose_some(name);
    }

    /// A kernel's link had to drop some.
    fn lose_some(&mut self, name: &str) {
        let count = 1 + self.random.below(3);
        let mut state = lock(&self.state);
        if let Some((key, _)) = state.find(name).filter(|(_, it)| !it.is_ended()) {
            state.add_hole(key, count as u64);
            self.published.get_mut(name).unwrap().lose(count);
        }
    }

    fn start_run(&mut self) {
        let name = *self.random.pick(&NAMES);
        self.start_run_of(name);
    }

    fn start_run_of(&mut self, name: &str) {
        let producer = ProducerInfo {
            kernel: "k".to_owned(),
            label: "nb".to_owned(),
            pid: 1,
        };
        let started = lock(&self.state).start_run(name, RunKind::Run, Some(producer), self.now);
        let Ok(key) = started else {
            assert!(matches!(started, Err(Refusal::Limit(_))));
            return;
        };
        assert!(lock(&self.state).stream(key).is_some());
        self.note_new_run(name);
    }

    /// The hub has begun a new run of a stream.
    pub(super) fn note_new_run(&mut self, name: &str) {
        self.forget_departed();
        let state = lock(&self.state);
        let (key, stream) = state.find(name).unwrap();
        let published = self.published.get_mut(name).unwrap();
        if published.note_stream(key, stream.log.birth_seq()) {
            self.journal.count_one("numbered anew");
        }
        published.run_start = published.len();
    }

    fn keep_house(&mut self) {
        lock(&self.state).keep_house(self.now);
        self.note_ends();
    }

    fn end_run(&mut self) {
        let name = *self.random.pick(&NAMES);
        let mut state = lock(&self.state);
        let Some((key, stream)) = state.find(name).filter(|(_, it)| !it.is_ended()) else {
            return;
        };
        let published = self.published.get_mut(name).unwrap();
        published
            .run_ends
            .insert(stream.run.number, published.units.len());
        state.end_run(key, EndReason::Done, None, self.now);
    }

    fn set_bounds(&mut self) {
        let name = *self.random.pick(&NAMES);
        let bounds = HistoryBounds {
            events: self.random.below(60) as u64,
            bytes: self.random.below(5000),
            age: None,
        };
        let mut state = lock(&self.state);
        let live_window = state.options().live_window_bytes;
        let found = state.find(name).map(|(key, _)| key);
        if let Some(stream) = found.and_then(|key| state.stream_mut(key)) {
            stream.log.set_bounds(bounds);
            stream.trim(live_window);
        }
        drop(state);
        self.keep_house();
    }

    /// Notes which streams were removed, and what the hub still knows of them.
    pub(super) fn forget_departed(&mut self) {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.news.removed).is_empty() {
            return;
        }
        for (name, published) in &mut self.published {
            published.forgotten_seq = state.forgotten_seq();
            if state.find(name).is_none() {
                published.note_absence(state.departed(name).birth_seq.is_some());
            }
        }
    }

    /// As the reactor does.
    pub(super) fn count_subscribers(&mut self) {
        let mut counts = BTreeMap::new();
        for reader in self.clients.iter().filter_map(|it| it.reader.as_ref()) {
            for key in reader.subscription.keys() {
                *counts.entry(key).or_insert(0) += 1;
            }
        }
        let mut state = lock(&self.state);
        let keys: Vec<_> = state.streams().map(|(key, _)| key).collect();
        for key in keys {
            let count = counts.get(&key).copied().unwrap_or_default();
            state.stream_mut(key).unwrap().subscribers = count;
        }
        let news = state.take_news();
        state.news.removed = news.removed;
        if news.created.is_empty() {
            return;
        }
        for reader in self.clients.iter_mut().filter_map(|it| it.reader.as_mut()) {
            reader.subscription.look_up(&state);
        }
    }

    fn audit(&self) {
        for (_, stream) in lock(&self.state).streams() {
            audit(&stream.log);
        }
    }

    fn check_bounds(&self) {
        let state = lock(&self.state);
        let mut held = 0;
        for (_, stream) in state.streams() {
            held += stream.log.bytes();
            let live = stream.log.held_bytes() - stream.log.history_bytes();
            assert!(live <= state.options().live_window_bytes);
        }
        assert_eq!(held, state.held_bytes());
        // One event may be larger than everything that may be held.
        assert!(held <= state.options().max_total_bytes);
    }
}
