//! Readers come, go, come back, and are written to.

use jupyter_sse_codec::Position;

use super::client::{Client, Place};
use super::random::Random;
use super::world::{NAMES, World};
use crate::query::{Query, subscribe};
use crate::reader::{Next, Reader, lock};
use crate::start::Start;
use crate::state::Refusal;
use crate::subscription::Wants;

/// The most readers at one time.
const CLIENTS: usize = 5;

impl World {
    /// A newcomer, in the place of an old reader where there are enough.
    pub(super) fn come(&mut self) {
        let single = self.random.once_in(2);
        let control = self.random.once_in(2);
        let wants = Wants {
            single,
            control,
            positions: self.random.once_in(3),
            latest_when_slow: self.random.once_in(5),
            ..Wants::default()
        };
        let mut client = Client::new(wants);
        let count = if single { 1 } else { 1 + self.random.below(4) };
        for _ in 0..count {
            let name = *self.random.pick(&NAMES);
            let start = *self.random.pick(&["", "@earliest", "@latest", "@-3"]);
            client.starts.insert(name.to_owned(), start.to_owned());
        }
        if self.clients.len() >= CLIENTS {
            let at = self.random.below(CLIENTS);
            self.clients.swap_remove(at);
        }
        self.connect_anew(&mut client);
        self.note_looks(&mut client);
        self.clients.push(client);
    }

    /// The hub has looked at all of its streams for a reader, and told it what there is.
    fn note_looks(&self, client: &mut Client) {
        let state = lock(&self.state);
        let names: Vec<String> = client.places.keys().cloned().collect();
        for name in names {
            let is_there = state.find(&name).is_some();
            client.note_look(&name, &self.published[&name], is_there, state.seq());
        }
    }

    /// Connects without an id.
    fn connect_anew(&mut self, client: &mut Client) {
        let targets = client
            .starts
            .iter()
            .map(|(name, start)| format!("{name}{start}"));
        let query = Query {
            streams: targets.collect(),
            wait: true,
            wants: client.wants,
            ..Query::default()
        };
        client.places.clear();
        client.saved.clear();
        for (name, start) in &client.starts {
            let place = self.place_of_start(name, start.strip_prefix('@').unwrap_or_default());
            client.places.insert(name.clone(), Place::At(place));
        }
        let subscription = subscribe(&mut lock(&self.state), query, 0).unwrap();
        client.connect(Reader::new(subscription, Vec::new(), self.now(), u64::MAX));
    }

    /// Where a start lies among the units of a stream.
    pub(super) fn place_of_start(&self, name: &str, start: &str) -> usize {
        let state = lock(&self.state);
        let published = &self.published[name];
        let Some((_, stream)) = state.find(name) else {
            return published.len();
        };
        let log = &stream.log;
        match Start::parse(start) {
            Start::Latest => published.len(),
            Start::Last(count) => {
                let n = log.next().saturating_sub(count).max(log.history_first());
                published.place_of(n)
            }
            _ if log.history_first() == log.run_first() => published.run_start,
            _ => published.place_of(log.history_first()),
        }
    }

    /// A connection breaks, and its reader comes back with its last id.
    pub(super) fn go_and_come_back(&mut self) {
        if self.clients.is_empty() {
            return;
        }
        let at = self.random.below(self.clients.len());
        let mut client = self.clients.swap_remove(at);
        client.reader = None;
        if self.come_to_another_server(&mut client) {
            self.journal.count_one("back at another server");
        } else if self.random.once_in(12) {
            self.come_with_foreign_id(&mut client);
        } else if client.last_id.is_empty() {
            self.connect_anew(&mut client);
        } else if client.wants.single {
            self.resume_one(&mut client);
        } else {
            self.resume_many(&mut client);
        }
        if client.reader.is_some() {
            self.note_looks(&mut client);
            self.clients.push(client);
        }
    }

    fn resume_one(&mut self, client: &mut Client) {
        let name = client.places.keys().next().unwrap().clone();
        client.places = client.saved.clone();
        let query = Query {
            streams: vec![name.clone()],
            last_event_id: Some(client.last_id.clone()),
            wants: client.wants,
            ..Query::default()
        };
        let is_end = client.last_id.contains("-end-");
        if is_end {
            let place = self.place_of_start(&name, "earliest");
            client.places.insert(name.clone(), Place::At(place));
            client.saved_untold.clear();
        }
        let mut state = lock(&self.state);
        match subscribe(&mut state, query, 0) {
            Ok(subscription) => {
                client.connect(Reader::new(subscription, Vec::new(), self.now(), u64::MAX));
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Ended);
                self.journal.count_one("204");
                assert!(is_end && state.find(&name).unwrap().1.is_ended());
                client.check_read_to_the_end(&name, &self.published[&name]);
            }
        }
    }

    /// As our page does: what the last id stands for goes on there, the rest begins anew. Or as an `EventSource` does: the last id is all
    /// it sends.
    fn resume_many(&mut self, client: &mut Client) {
        let names: Vec<String> = client.places.keys().cloned().collect();
        let has_all = names.iter().all(|name| client.saved.contains_key(name));
        client.sends_last_id = has_all && self.random.once_in(2);
        let mut targets = Vec::new();
        for name in &names {
            if let Some(place) = client.saved.get(name).copied() {
                let cursor = self.own_cursor(name, place, &client.last_id);
                let target = format!("{name}@{cursor}");
                targets.push(if client.sends_last_id {
                    name.clone()
                } else {
                    target
                });
                client.places.insert(name.clone(), place);
            } else {
                targets.push(name.clone());
                let place = self.place_of_start(name, "earliest");
                client.places.insert(name.clone(), Place::At(place));
            }
        }
        let query = Query {
            streams: targets,
            last_event_id: client.sends_last_id.then(|| client.last_id.clone()),
            wants: client.wants,
            ..Query::default()
        };
        let subscription = subscribe(&mut lock(&self.state), query, 0).unwrap();
        client.connect(Reader::new(subscription, Vec::new(), self.now(), u64::MAX));
    }

    /// The stream's own cursor at a place that the last id of a connection stands for.
    fn own_cursor(&self, name: &str, place: Place, last_id: &str) -> String {
        let joint = Position::parse(last_id).unwrap();
        let n = match place {
            Place::At(place) => self.published[name].number_before(place, joint.seq),
            Place::After(..) => 0,
        };
        Position { n, ..joint }.to_string()
    }

    /// An id of another server, of the future, or of nobody.
    fn come_with_foreign_id(&mut self, client: &mut Client) {
        let id = match self.random.below(3) {
            0 => "00000000000-5-5".to_owned(),
            1 => format!("{}-{}-1", self.epoch, lock(&self.state).seq() + 1000),
            _ => "nobody's".to_owned(),
        };
        let names: Vec<String> = client.places.keys().cloned().collect();
        for name in &names {
            client.places.insert(name.clone(), Place::After(0, false));
        }
        client.last_id.clear();
        client.saved.clear();
        let query = Query {
            streams: names,
            last_event_id: Some(id),
            wants: client.wants,
            ..Query::default()
        };
        let subscription = subscribe(&mut lock(&self.state), query, 0).unwrap();
        client.connect(Reader::new(subscription, Vec::new(), self.now(), u64::MAX));
    }

    /// A reader of many streams reads others.
    pub(super) fn change(&mut self) {
        let (added, removed) = (*self.random.pick(&NAMES), *self.random.pick(&NAMES));
        let start = *self.random.pick(&["", "latest", "-2"]);
        let place = self.place_of_start(added, start);
        let many: Vec<usize> = (0..self.clients.len())
            .filter(|&at| !self.clients[at].wants.single)
            .collect();
        if many.is_empty() || added == removed {
            return;
        }
        let client = &mut self.clients[*self.random.pick(&many)];
        let Some(reader) = &mut client.reader else {
            return;
        };
        // What is on its way to the reader is still of the old set.
        if !reader.pending().is_empty() || !client.bytes.is_empty() {
            return;
        }
        let state = lock(&self.state);
        reader.subscription.remove(removed);
        reader.subscription.add(&state, added, &Start::parse(start));
        for name in [removed, added] {
            client.forget(name);
        }
        client.places.insert(added.to_owned(), Place::At(place));
        let is_there = state.find(added).is_some();
        client.note_look(added, &self.published[added], is_there, state.seq());
        client.starts = client
            .places
            .keys()
            .map(|it| (it.clone(), String::new()))
            .collect();
    }

    pub(super) fn ping(&mut self) {
        let now = self.now();
        let Some(at) = (!self.clients.is_empty()).then(|| self.random.below(self.clients.len()))
        else {
            return;
        };
        if let Some(reader) = &mut self.clients[at].reader {
            let mut later = now;
            later.mono += 60_000;
            reader.ping_if_silent(&lock(&self.state), later);
        }
    }

    /// Writes to one reader, as its socket takes it.
    pub(super) fn deliver(&mut self, at: usize, most: usize) {
        let now = self.now();
        let client = &mut self.clients[at];
        let Some(mut reader) = client.reader.take() else {
            return;
        };
        let mut is_over = false;
        let mut is_drained = false;
        for _ in 0..most {
            match reader.next(&self.state, now, &mut self.shared) {
                Next::Rest => {
                    is_drained = true;
                    break;
                }
                Next::Close => {
                    is_over = true;
                    break;
                }
                Next::Pending => {
                    let count = torn(&mut self.random, reader.pending().len());
                    client.bytes.extend_from_slice(&reader.pending()[..count]);
                    reader.consume(count, now);
                }
                Next::Batch => {
                    self.journal.count_one("copied");
                    let count = torn(&mut self.random, self.shared.batch.bytes.len());
                    client
                        .bytes
                        .extend_from_slice(&self.shared.batch.bytes[..count]);
                    reader.consume_batch(&self.shared.batch, count, now);
                }
            }
            client.take(self.epoch, &self.published, &mut self.journal);
        }
        if is_over {
            assert!(client.wants.single && client.has_seen_end);
            return;
        }
        client.reader = Some(reader);
        if is_drained {
            assert!(client.bytes.is_empty());
            self.check_drained(at);
        }
    }

    /// A reader has been given everything there is.
    fn check_drained(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let state = lock(&self.state);
        let names: Vec<String> = client.places.keys().cloned().collect();
        for name in names {
            let published = &self.published[&name];
            let is_there = state.find(&name).is_some();
            client.check_drained(&name, published);
            client.note_look(&name, published, is_there, state.seq());
        }
    }
}

/// How much of `bytes` a socket takes: all of it, mostly.
fn torn(random: &mut Random, bytes: usize) -> usize {
    if random.once_in(3) {
        1 + random.below(bytes)
    } else {
        bytes
    }
}
