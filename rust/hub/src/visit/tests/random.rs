//! Readers, generators and a link in any order: what each reader got is what was sent for it, and nothing is left of those who went.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::model_test::random::Random;

/// What the kernel knows of a run.
struct Run {
    connection: String,
    granted: u64,
    spent: u64,
    sent: usize,
}

/// A hub, the kernel of its route, and its readers, each with what it got.
struct World<'a> {
    hall: &'a Hall,
    random: Random,
    is_up: bool,
    route: u32,
    last_key: u32,
    runs: BTreeMap<u32, Run>,
    /// What the hub has said and the kernel has not heard.
    said: VecDeque<Told>,
    readers: Vec<(Guest<'a>, Vec<u8>)>,
}

impl<'a> World<'a> {
    fn new(hall: &'a Hall, seed: u64) -> Self {
        Self {
            hall,
            random: Random::new(seed),
            is_up: true,
            route: ROUTE,
            last_key: ROUTE,
            runs: BTreeMap::new(),
            said: VecDeque::new(),
            readers: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0 if self.readers.len() < 8 => self.come(),
            1 => self.leave(),
            2..=4 => self.send(),
            5 => self.end(),
            6 | 7 => self.read(),
            8 => self.hear(),
            _ if self.random.once_in(8) => self.define_again(),
            _ if self.random.once_in(4) => self.flip_link(),
            _ => self.hear(),
        }
        self.collect();
        self.check();
    }

    /// What the hub has put out reaches the kernel, where the link is up.
    fn collect(&mut self) {
        let out = self.hall.outbox();
        if self.is_up {
            self.said.extend(out);
        }
    }

    fn come(&mut self) {
        let mut query = if self.random.once_in(2) {
            single("users/42")
        } else {
            several(&["users/42"])
        };
        query.wants.control = self.random.once_in(2);
        let reader = self.hall.come(query).unwrap();
        self.readers.push((reader, Vec::new()));
    }

    fn leave(&mut self) {
        if !self.readers.is_empty() {
            let at = self.random.below(self.readers.len());
            self.readers.swap_remove(at).0.leave();
        }
    }

    fn read(&mut self) {
        if !self.readers.is_empty() {
            let at = self.random.below(self.readers.len());
            let (reader, got) = &mut self.readers[at];
            reader.read_once(got);
        }
    }

    fn some_run(&mut self) -> Option<u32> {
        let count = self.runs.len().max(1);
        let at = self.random.below(count);
        self.runs.keys().nth(at).copied().filter(|_| self.is_up)
    }

    /// One run yields, where its reader wants more.
    fn send(&mut self) {
        let Some(key) = self.some_run() else { return };
        let size = if self.random.once_in(5) { 30_000 } else { 100 };
        let run = self.runs.get_mut(&key).unwrap();
        if run.spent < run.granted {
            let text = format!("{key} {} {}", run.sent, "x".repeat(size));
            run.sent += 1;
            run.spent += 64 + text.len() as u64 + 8;
            self.hall.send(key, &text);
        }
    }

    fn end(&mut self) {
        if let Some(key) = self.some_run().filter(|_| self.random.once_in(4)) {
            self.runs.remove(&key);
            self.hall.end(key, EndReason::Done, "");
        }
    }

    fn define_again(&mut self) {
        if self.is_up {
            let old = self.route;
            self.last_key += 1;
            self.route = self.last_key;
            self.hall.open_route(LINK, self.route, "users/{user_id}");
            self.hall.end(old, EndReason::Done, "");
        }
    }

    fn flip_link(&mut self) {
        self.is_up = !self.is_up;
        if self.is_up {
            // What was on its way is lost with the connection.
            self.said = self.hall.link_up(LINK, "k1").into();
        } else {
            lock(&self.hall.state).link_down(&LINK);
        }
    }

    /// The kernel does what it was told first.
    fn hear(&mut self) {
        let Some(told) = self.said.pop_front() else {
            return;
        };
        if !self.is_up {
            return;
        }
        match told {
            Told::Begin {
                key,
                visit,
                request,
            } if key == self.route => {
                self.last_key += 1;
                let connection = request["connection"].as_str().unwrap().to_owned();
                let told = self.hall.open_visit(self.last_key, visit);
                if told[0] == is_opened(self.last_key) {
                    let run = Run {
                        connection,
                        granted: 0,
                        spent: 0,
                        sent: 0,
                    };
                    self.runs.insert(self.last_key, run);
                    self.said.extend(told.into_iter().skip(1));
                }
            }
            Told::Credit { key, bytes } => {
                if let Some(run) = self.runs.get_mut(&key) {
                    run.granted = run.granted.max(bytes);
                }
            }
            Told::Stop { key } => {
                if self.runs.remove(&key).is_some() {
                    self.hall.end(key, EndReason::Stopped, "");
                }
            }
            Told::Begin { .. } | Told::Opened { .. } => {}
        }
    }

    fn check(&self) {
        let state = lock(&self.hall.state);
        for (_, stream) in state.streams() {
            let held = stream.log.bytes_from(0).max(stream.log.held_bytes() as u64);
            // The window, one event, and the last one that was read.
            assert!(held < WINDOW + 2 * 31_000 + 80_000, "{held}");
        }
        let held: usize = state.streams().map(|(_, it)| it.log.bytes()).sum();
        assert_eq!(held, state.held_bytes());
        assert_eq!(state.visits.len(), self.readers.len());
    }

    /// Each reader got the beginning of each of its runs, one run after the other; nothing of another's.
    fn check_reader(got: &[u8], runs: &BTreeMap<u32, Run>, connection: &str) {
        let text = String::from_utf8(got.to_vec()).unwrap();
        assert!(!text.contains("sse.gap"), "{text}");
        let (mut run, mut next) = (0, 0);
        for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
            if line.starts_with('{') {
                continue;
            }
            let mut words = line.split(' ');
            let key: u32 = words.next().unwrap().parse().unwrap();
            let number: usize = words.next().unwrap().parse().unwrap();
            if key != run {
                assert!(key > run);
                (run, next) = (key, 0);
            }
            assert_eq!(number, next, "of run {key}");
            next += 1;
        }
        for (key, of_run) in runs.iter().filter(|(_, it)| it.connection == connection) {
            assert!(*key >= run, "a run that goes on was replaced");
            let expected = if *key == run { next } else { 0 };
            assert_eq!(of_run.sent, expected, "run {key} was not read to its end");
        }
    }

    /// Everybody reads to the end, then goes.
    fn finish(mut self) {
        if !self.is_up {
            self.flip_link();
        }
        for _ in 0..100 {
            self.collect();
            while !self.said.is_empty() {
                self.hear();
                self.collect();
            }
            for (reader, got) in &mut self.readers {
                while reader.read_once(got) {}
            }
        }
        for (reader, got) in self.readers.drain(..) {
            let connection = reader.reader.subscription.connection.to_string();
            Self::check_reader(&got, &self.runs, &connection);
            reader.leave();
        }
        self.collect();
        while !self.said.is_empty() {
            self.hear();
            self.collect();
        }
        assert!(self.runs.is_empty(), "runs go on for nobody");
        let state = lock(&self.hall.state);
        assert_eq!((state.visits.len(), state.streams().count()), (0, 0));
        assert!(state.visits.begins.is_empty() && state.visits.counts.is_empty());
        assert!(state.links[&LINK].keys.is_empty());
        assert_eq!(state.held_bytes(), 0);
    }
}

#[test]
fn each_reader_gets_what_was_sent_for_it_and_nothing_is_left_of_those_who_went() {
    for seed in 0..150 {
        let hall = Hall::new("users/{user_id}");
        let mut world = World::new(&hall, seed);
        for _ in 0..400 {
            world.step();
        }
        world.finish();
    }
}
