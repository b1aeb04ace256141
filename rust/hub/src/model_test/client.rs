//! One reader and its judge: it decodes what the hub writes and compares it with what was published.

use std::collections::{BTreeMap, BTreeSet};

use jupyter_sse_codec::{Decoder, Epoch, MAX_EVENT_BYTES};
use serde_json::Value;

use super::journal::Journal;
use super::published::Published;
use crate::reader::Reader;
use crate::subscription::Wants;

/// Where a reader is in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Everything before it was got, or told to be missing.
    At(usize),
    /// Here or later: the hub said that it does not know what is missing. `true`: something is.
    After(usize, bool),
}

impl Place {
    fn least(self) -> usize {
        match self {
            Self::At(place) | Self::After(place, _) => place,
        }
    }
}

/// A reader over all its connections.
pub(super) struct Client {
    pub(super) wants: Wants,
    /// The start that was asked for with each stream, for a reader that comes back before it has an id.
    pub(super) starts: BTreeMap<String, String>,
    pub(super) reader: Option<Reader>,
    /// What came and is no whole block yet.
    pub(super) bytes: Vec<u8>,
    pub(super) decoder: Decoder,
    pub(super) last_id: String,
    /// The life of the log in which it was told that id.
    pub(super) id_epoch: Option<Epoch>,
    /// The cursor with which it came to another server.
    pub(super) requested: String,
    /// Streams of which it has to be told before anything else that something may be missing.
    pub(super) owed: BTreeSet<String>,
    /// It came back with nothing but the last id of several streams.
    pub(super) sends_last_id: bool,
    pub(super) places: BTreeMap<String, Place>,
    /// The places that the last id stands for.
    pub(super) saved: BTreeMap<String, Place>,
    /// Streams where the hub could not say how many a producer had lost: single losses may go untold.
    loose: BTreeSet<String>,
    /// Streams where its first place is not known, and so how many of the losses before it the hub takes for told.
    unsure: BTreeSet<String>,
    /// Losses that came before events that came, and are to be told yet: the hub keeps only so many places.
    untold: BTreeMap<String, i64>,
    /// The same at the last id.
    pub(super) saved_untold: BTreeMap<String, i64>,
    runs: BTreeMap<String, u32>,
    times: BTreeMap<String, u64>,
    newest_seq: u64,
    pub(super) has_seen_end: bool,
}

impl Client {
    pub(super) fn new(wants: Wants) -> Self {
        Self {
            wants,
            starts: BTreeMap::new(),
            reader: None,
            bytes: Vec::new(),
            decoder: Decoder::new(MAX_EVENT_BYTES),
            last_id: String::new(),
            id_epoch: None,
            requested: String::new(),
            owed: BTreeSet::new(),
            sends_last_id: false,
            places: BTreeMap::new(),
            saved: BTreeMap::new(),
            loose: BTreeSet::new(),
            unsure: BTreeSet::new(),
            untold: BTreeMap::new(),
            saved_untold: BTreeMap::new(),
            runs: BTreeMap::new(),
            times: BTreeMap::new(),
            newest_seq: 0,
            has_seen_end: false,
        }
    }

    /// A new connection: what was not whole is lost, what was told on the old one is not known on this.
    pub(super) fn connect(&mut self, reader: Reader) {
        self.bytes.clear();
        self.decoder = Decoder::new(MAX_EVENT_BYTES);
        self.runs.clear();
        self.times.clear();
        self.untold.clone_from(&self.saved_untold);
        self.untold.retain(|name, _| self.saved.contains_key(name));
        self.newest_seq = 0;
        self.has_seen_end = false;
        self.reader = Some(reader);
    }

    /// Takes what the hub wrote, block by block.
    pub(super) fn take(
        &mut self,
        epoch: Epoch,
        all: &BTreeMap<String, Published>,
        journal: &mut Journal,
    ) {
        while let Some(end) = self.bytes.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.bytes.drain(..end + 2).collect();
            let mut got = None;
            self.decoder
                .feed(&block, |event| {
                    got = Some((event.event.to_owned(), event.data.to_owned()));
                })
                .unwrap();
            let text = String::from_utf8(block).unwrap();
            journal.note(|| format!("    {text:?} at {:?}", self.places));
            let id = text.lines().find_map(|line| line.strip_prefix("id: "));
            if let Some((kind, data)) = got {
                if kind.starts_with("sse.") {
                    let data: Value = serde_json::from_str(&data).unwrap();
                    journal.count(&kind, &data);
                    self.control(&kind, &data, all);
                } else {
                    self.event(&kind, &data, id, epoch, all);
                }
            }
            if let Some(id) = id {
                id.clone_into(&mut self.last_id);
                self.id_epoch = Some(epoch);
                self.saved.clone_from(&self.places);
                self.saved_untold.clone_from(&self.untold);
            }
        }
    }

    fn event(
        &mut self,
        kind: &str,
        data: &str,
        id: Option<&str>,
        epoch: Epoch,
        all: &BTreeMap<String, Published>,
    ) {
        let (name, kind) = if self.wants.single {
            (self.places.keys().next().unwrap().clone(), kind)
        } else {
            let (name, kind) = kind.split_once(':').unwrap();
            (name.to_owned(), kind)
        };
        let published = &all[&name];
        let place = self.place_of_next(&name, data, published);
        let event = published.event(place).unwrap();
        assert_eq!(event.data, data, "{name}: out of order");
        assert_eq!(event.kind, kind);
        let position = format!("{epoch}-{}-{}", event.seq, event.n);
        match id {
            Some(id) if self.wants.single && !self.wants.positions && !event.id.is_empty() => {
                assert_eq!(id, event.id);
            }
            Some(id) => assert_eq!(id, position),
            None => assert!(!self.wants.single, "an event of one stream without id"),
        }
        if id.is_some() {
            assert!(event.seq > self.newest_seq, "an id that moves backwards");
            self.newest_seq = event.seq;
        }
        if self.wants.control {
            assert_eq!(self.runs.get(&name), Some(&event.run));
            let told = self.times[&name];
            assert!(event.at >= told && event.at < told + 100);
        }
        self.places.insert(name, Place::At(place + 1));
    }

    /// Where the next event must stand that has these data.
    fn place_of_next(&mut self, name: &str, data: &str, published: &Published) -> usize {
        assert!(!self.owed.contains(name), "{name}: a gap that is not told");
        match self.places[name] {
            Place::At(place) if published.has_cut_holes() => {
                let lost = published.losses_from(place);
                *self.untold.entry(name.to_owned()).or_insert(0) += lost as i64;
                place + lost
            }
            Place::At(place) => {
                assert!(
                    published.event(place).is_some(),
                    "{name}: {data} came at {place}, a loss or the end"
                );
                place
            }
            Place::After(least, is_missing) => {
                let place = published
                    .find(least, data)
                    .expect("an event that is no news");
                assert!(!is_missing || place > least, "{name}: a gap without loss");
                self.unsure.insert(name.to_owned());
                place
            }
        }
    }

    fn control(&mut self, kind: &str, data: &Value, all: &BTreeMap<String, Published>) {
        let name = data["stream"].as_str().unwrap_or_default().to_owned();
        match kind {
            "sse.gap" => self.gap(&name, data, &all[&name]),
            "sse.run" => {
                let run = data["run"].as_u64().unwrap() as u32;
                let before = self.runs.insert(name, run);
                assert!(before.is_none_or(|before| before < run));
            }
            "sse.time" => {
                self.times.insert(name, data["at"].as_u64().unwrap());
            }
            "sse.end" if data["status"].is_null() => {
                let run = data["run"].as_u64().unwrap() as u32;
                let end = all[&name].run_ends[&run];
                match self.places[&name] {
                    Place::At(place) if self.is_loose(&name, &all[&name]) => assert!(place <= end),
                    Place::At(place) if all[&name].has_cut_holes() => {
                        // What was written earlier can be read when more is lost already.
                        let (low, high) = (place.min(end), place.max(end));
                        assert!(low + all[&name].losses_from(low) >= high);
                        let untold = self.untold.entry(name.clone()).or_insert(0);
                        *untold += end as i64 - place as i64;
                    }
                    Place::At(place) => assert_eq!(place, end),
                    Place::After(least, _) => assert!(least <= end),
                }
                self.places.insert(name, Place::At(end));
                self.has_seen_end = true;
            }
            "sse.end" => {
                assert_eq!(data["status"], 404);
                self.runs.remove(&name);
                self.times.remove(&name);
            }
            _ => assert!(["sse.open", "sse.ready", "sse.state", "sse.ping"].contains(&kind)),
        }
    }

    fn is_loose(&self, name: &str, published: &Published) -> bool {
        let is_unsure = published.has_cut_holes() && self.unsure.contains(name);
        is_unsure || self.loose.contains(name)
    }

    fn gap(&mut self, name: &str, data: &Value, published: &Published) {
        let place = self.places[name];
        let count = data["lost"]["count"].as_u64();
        if self.owed.remove(name) {
            let is_of_cursor = data["requested"] == self.requested;
            assert!(is_of_cursor && count.is_none(), "{name}: {data}");
            return;
        }
        let next = match (place, count) {
            (Place::At(place), Some(_)) if self.is_loose(name, published) => {
                Place::After(place, false)
            }
            (Place::At(place), Some(_)) if published.has_two_counts => Place::After(place, true),
            (Place::At(place), Some(count)) if published.has_cut_holes() => {
                self.gap_among_cut_holes(name, data, count, place, published)
            }
            (Place::At(place), Some(count)) => {
                assert!(count > 0, "{name}: a gap of nothing");
                let end = place + count as usize;
                assert!(end <= published.len(), "{name}: more lost than was there");
                check_range(data, published, place, end);
                Place::At(end)
            }
            (Place::After(least, is_missing), Some(_)) => Place::After(least, is_missing),
            (place, None) => self.gap_without_count(name, data, place, published),
        };
        self.places.insert(name.to_owned(), next);
    }

    /// Losses may be told later than where they were, so only their sum is compared.
    fn gap_among_cut_holes(
        &mut self,
        name: &str,
        data: &Value,
        count: u64,
        place: usize,
        published: &Published,
    ) -> Place {
        let untold = self.untold.entry(name.to_owned()).or_insert(0);
        let number = |name: &str| data["lost"][name].as_u64();
        let (Some(from), Some(to)) = (number("from"), number("to")) else {
            let lost = published.losses_from(place);
            *untold += lost as i64 - count as i64;
            return Place::At(place + lost);
        };
        let end = published.place_of(to) + 1;
        if published.has_departed || end <= place || end > published.len() {
            // The numbers may be those of a stream that is forgotten.
            self.loose.insert(name.to_owned());
            return Place::After(place, false);
        }
        let passed = (end - place) as i64 - (to + 1 - from) as i64;
        *untold += passed - (count as i64 - (to + 1 - from) as i64);
        Place::At(end)
    }

    fn gap_without_count(
        &mut self,
        name: &str,
        data: &Value,
        place: Place,
        published: &Published,
    ) -> Place {
        let reason = data["reason"].as_str().unwrap();
        let has_cut_holes = published.has_cut_holes();
        if has_cut_holes {
            self.loose.insert(name.to_owned());
        }
        match reason {
            "unknown-id" => {
                let id = data["requested"].as_str().unwrap();
                assert!(published.may_forget(id), "{name}: {id} could be known");
                Place::After(place.least(), false)
            }
            "epoch" | "ahead" => Place::After(place.least(), false),
            "evicted" => {
                // The number in a position that stands for several streams is one of another.
                let requested = data["requested"].as_str();
                let has_number = requested.is_some_and(|it| !it.ends_with("-0"));
                let may_be_unknown =
                    self.sends_last_id || !has_number || published.has_departed || has_cut_holes;
                assert!(may_be_unknown, "{name}: the count could be known: {data}");
                // Of a stream that is forgotten it is not known whether anything came.
                Place::After(place.least(), !has_cut_holes && requested.is_some())
            }
            _ => {
                assert!(has_cut_holes, "{name}: the count could be known: {data}");
                Place::After(place.least(), false)
            }
        }
    }

    /// The hub has forgotten the stream, and counts from 1 again: what this reader has not read of it may go untold.
    pub(super) fn unsettle(&mut self, name: &str) {
        for places in [&mut self.places, &mut self.saved] {
            if let Some(place) = places.get_mut(name) {
                *place = Place::After(place.least(), false);
            }
        }
    }

    /// Another server: what was known of the streams of the last one counts no more.
    pub(super) fn forget_all(&mut self) {
        self.owed.clear();
        self.saved.clear();
        self.saved_untold.clear();
        self.untold.clear();
        self.loose.clear();
        self.unsure.clear();
    }

    /// A stream is taken out of the set, or begins anew.
    pub(super) fn forget(&mut self, name: &str) {
        self.places.remove(name);
        self.owed.remove(name);
        self.saved.remove(name);
        self.loose.remove(name);
        self.runs.remove(name);
        self.times.remove(name);
        self.untold.remove(name);
    }

    /// Its last id is that of an end, and the stream has not gone on.
    pub(super) fn check_read_to_the_end(&self, name: &str, published: &Published) {
        match self.saved[name] {
            Place::At(place) => assert_eq!(place, published.len(), "{name}: closed too early"),
            Place::After(..) => panic!("{name}: an end is a place"),
        }
    }

    /// It has been given everything there is.
    pub(super) fn check_drained(&self, name: &str, published: &Published) {
        assert!(!self.owed.contains(name), "{name}: a gap that is not told");
        match self.places[name] {
            Place::At(place) if self.is_loose(name, published) => assert!(place <= published.len()),
            Place::At(place) if published.has_cut_holes() => {
                let rest = published.losses_from(place);
                assert_eq!(place + rest, published.len(), "{name}: missing and untold");
                let untold = self.untold.get(name).copied().unwrap_or_default();
                // Without a number, a gap of a stream that is gone can stand for events as well.
                assert!(
                    published.has_departed || untold + rest as i64 == 0,
                    "{name}: losses"
                );
            }
            Place::At(place) => assert_eq!(place, published.len(), "{name}: missing and untold"),
            Place::After(least, _) => assert!(least <= published.len()),
        }
    }
}

/// The numbers in a gap are those of the events that are missing.
fn check_range(data: &Value, published: &Published, start: usize, end: usize) {
    let number = |name: &str| data["lost"][name].as_u64();
    let mut missing = (start..end).filter_map(|place| published.event(place));
    let first = missing.next();
    let last = missing.next_back().or(first);
    if let (Some(from), Some(to)) = (number("from"), number("to")) {
        assert_eq!(first.map(|event| event.n), Some(from));
        assert_eq!(last.map(|event| event.n), Some(to));
    }
}
