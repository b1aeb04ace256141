//! One reader and its judge: it decodes what the hub writes and compares it with what was published.

use std::collections::{BTreeMap, BTreeSet};

use jupyter_sse_codec::{Decoder, Epoch, MAX_EVENT_BYTES, Position};
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
    /// The life of each stream that it is in, as far as that is known from more than its place.
    lives: BTreeMap<String, usize>,
    /// The hub's place when it was last known to have looked for a stream that was not there.
    looked: BTreeMap<String, u64>,
    /// Streams where the hub could not say how many a producer had lost in this life: single losses may go untold.
    loose: BTreeMap<String, usize>,
    /// Streams where its first place in this life is not known, and so how many of the losses before it the hub takes for told.
    unsure: BTreeMap<String, usize>,
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
            lives: BTreeMap::new(),
            looked: BTreeMap::new(),
            loose: BTreeMap::new(),
            unsure: BTreeMap::new(),
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
        self.lives.clear();
        self.looked.clear();
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
                    if kind == "sse.gap" && self.is_doubt(&data, all) {
                        journal.count_one("a gap for what was forgotten");
                    }
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
        self.enter(&name, published, place);
        self.places.insert(name, Place::At(place + 1));
    }

    /// The event at `place` is the next of this stream. In another life nothing is left of what was not sure in the one before.
    fn enter(&mut self, name: &str, published: &Published, place: usize) {
        let life = published.life_before(place + 1);
        if life > self.life(name, published) {
            let is_sure = matches!(self.places[name], Place::At(_));
            if !is_sure || self.loose.contains_key(name) {
                self.untold.remove(name);
            }
        }
        self.lives.insert(name.to_owned(), life);
    }

    /// The life of a stream that this reader is in.
    fn life(&self, name: &str, published: &Published) -> usize {
        let known = self.lives.get(name).copied().unwrap_or_default();
        known.max(published.life_before(self.places[name].least()))
    }

    /// See [`Published::has_cut_holes`]: as far as it is this reader's matter.
    fn has_cut_holes(&self, name: &str, published: &Published) -> bool {
        let is_told_later = self.untold.get(name).is_some_and(|&untold| untold != 0);
        is_told_later || published.has_cut_holes(self.life(name, published))
    }

    /// The hub has looked at a stream for it, and there is nothing of that that it has not been told.
    pub(super) fn note_look(
        &mut self,
        name: &str,
        published: &Published,
        is_there: bool,
        seq: u64,
    ) {
        if is_there {
            let life = published.newest_life();
            self.lives.insert(name.to_owned(), life);
        } else {
            self.looked.insert(name.to_owned(), seq);
        }
    }

    /// Whether the hub can have forgotten something of a stream since this reader, who is connected, looked at it.
    fn may_doubt(&self, name: &str, published: &Published) -> bool {
        let looked = self.looked.get(name).copied().unwrap_or_default();
        let is_known = self.lives.contains_key(name) || self.places[name].least() > 0;
        let is_sure = is_known && published.knows(self.life(name, published));
        !is_sure && published.forgotten_seq > looked
    }

    /// Whether it is told so, and of nothing else.
    fn is_doubt(&self, data: &Value, all: &BTreeMap<String, Published>) -> bool {
        let name = data["stream"].as_str().unwrap_or_default();
        let is_unknown = data["requested"].is_null() && data["lost"]["count"].is_null();
        is_unknown && self.may_doubt(name, &all[name])
    }

    /// Where the next event must stand that has these data.
    fn place_of_next(&mut self, name: &str, data: &str, published: &Published) -> usize {
        assert!(!self.owed.contains(name), "{name}: a gap that is not told");
        match self.places[name] {
            Place::At(place) if self.has_cut_holes(name, published) => {
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
                let life = published.life_before(place + 1);
                self.unsure.insert(name.to_owned(), life);
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
                    Place::At(place) if self.has_cut_holes(&name, &all[&name]) => {
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
        let life = self.life(name, published);
        let is_of_this = |of: &BTreeMap<String, usize>| of.get(name).is_some_and(|&it| it >= life);
        published.has_cut_holes(life) && is_of_this(&self.unsure) || is_of_this(&self.loose)
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
            (Place::At(place), Some(count)) if self.has_cut_holes(name, published) => {
                self.gap_among_cut_holes(name, data, count, place, published)
            }
            (Place::At(place), Some(count)) => {
                assert!(count > 0, "{name}: a gap of nothing");
                let end = place + count as usize;
                assert!(end <= published.len(), "{name}: more lost than was there");
                check_range(data, published, place, end);
                Place::At(end)
            }
            (Place::After(least, is_missing), Some(_)) if self.has_cut_holes(name, published) => {
                Place::After(least, is_missing)
            }
            (Place::After(least, is_missing), Some(count)) => {
                Place::After(least + count as usize, is_missing)
            }
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
        let life = self.life(name, published);
        let resumed = data["resumed"].as_str().and_then(Position::parse);
        let untold = self.untold.entry(name.to_owned()).or_insert(0);
        let number = |name: &str| data["lost"][name].as_u64();
        let (Some(from), Some(to)) = (number("from"), number("to")) else {
            if data["reason"] == "evicted" && life < published.newest_life() {
                // Events of two lives have no range.
                let Some(end) = resumed.map(|next| published.losses_before(next.seq)) else {
                    self.loose.insert(name.to_owned(), published.newest_life());
                    return Place::After(place, false);
                };
                *untold += end as i64 - place as i64 - count as i64;
                return Place::At(end);
            }
            let lost = published.losses_from(place);
            *untold += lost as i64 - count as i64;
            return Place::At(place + lost);
        };
        let end = published.end_of(life, place, from..=to);
        let end = end.unwrap_or_else(|| panic!("{name}: {data}"));
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
        let requested = data["requested"].as_str();
        // A cursor is of the life in which its reader was.
        let life = match requested {
            Some(_) => published.life_before(place.least()),
            None => self.life(name, published),
        };
        let has_cut_holes = published.has_cut_holes(life);
        if has_cut_holes {
            self.loose.insert(name.to_owned(), published.newest_life());
        }
        let is_missing = match (reason, requested) {
            ("unknown-id", Some(id)) => {
                assert!(published.may_forget(id), "{name}: {id} could be known");
                false
            }
            ("epoch" | "ahead", Some(_)) => false,
            ("evicted", Some(cursor)) => {
                // The number in a position that stands for several streams is one of another.
                let has_number = !self.sends_last_id && !cursor.ends_with("-0");
                let is_unknown = !has_number || !published.knows(life) || has_cut_holes;
                assert!(is_unknown, "{name}: the count could be known: {data}");
                // Of a stream that is forgotten it is not known whether anything came.
                let seq = Position::parse(cursor).map(|it| it.seq);
                !has_cut_holes && seq.is_none_or(|seq| seq >= published.doubtful_seq())
            }
            _ => {
                let is_unknown = has_cut_holes || self.may_doubt(name, published);
                assert!(is_unknown, "{name}: the count could be known: {data}");
                false
            }
        };
        Place::After(place.least(), is_missing)
    }

    /// Another server: what was known of the streams of the last one counts no more.
    pub(super) fn forget_all(&mut self) {
        self.owed.clear();
        self.saved.clear();
        self.saved_untold.clear();
        self.untold.clear();
        self.loose.clear();
        self.unsure.clear();
        self.lives.clear();
        self.looked.clear();
    }

    /// A stream is taken out of the set, or begins anew.
    pub(super) fn forget(&mut self, name: &str) {
        self.places.remove(name);
        self.owed.remove(name);
        self.saved.remove(name);
        self.loose.remove(name);
        self.lives.remove(name);
        self.looked.remove(name);
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
            Place::At(place) if self.has_cut_holes(name, published) => {
                let rest = published.losses_from(place);
                assert_eq!(place + rest, published.len(), "{name}: missing and untold");
                let untold = self.untold.get(name).copied().unwrap_or_default();
                assert_eq!(untold + rest as i64, 0, "{name}: losses");
            }
            Place::At(place) => assert_eq!(place, published.len(), "{name}: missing and untold"),
            Place::After(least, _) => assert!(least <= published.len()),
        }
    }
}

/// The numbers in a gap are those of the events that are missing, where these are of one life.
fn check_range(data: &Value, published: &Published, start: usize, end: usize) {
    let number = |name: &str| data["lost"][name].as_u64();
    let mut missing = (start..end).filter(|place| published.event(*place).is_some());
    let first = missing.next();
    let last = missing.next_back().or(first);
    let life = |place: usize| published.life_before(place + 1);
    let range = first
        .zip(last)
        .filter(|&(first, last)| life(first) == life(last));
    let n = |place: usize| published.event(place).map(|event| event.n);
    let range = range.map(|(first, last)| (n(first), n(last)));
    assert_eq!((number("from"), number("to")), range.unwrap_or_default());
}
