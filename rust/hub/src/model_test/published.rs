//! What was published in one stream, as the model remembers it: everything, for ever.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::holes::MAX_HOLES;
use crate::own_ids::MAX_GONE;
use crate::state::StreamKey;

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) n: u64,
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) run: u32,
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) data: String,
}

/// What a reader gets, or is told that it does not get.
#[derive(Debug)]
pub(super) enum Unit {
    Event(Event),
    /// One event that its producer lost.
    Lost,
}

/// One life of a name: it lasts while the numbers of its events go on, so until the hub forgets a stream that is gone.
#[derive(Debug)]
struct Life {
    /// The hub's place when its numbers began.
    birth_seq: u64,
    /// Where it begins among the units.
    start: usize,
    /// Where the event with a number stands among the units.
    places: BTreeMap<u64, usize>,
    /// At how many places its producers lost something.
    holes: usize,
    /// The stream was removed: at which places they did is not known any more.
    has_departed: bool,
    /// No cursor that is older can be sure to have seen what came before: the hub had forgotten so much when it began.
    forgotten_seq: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) units: Vec<Unit>,
    lives: Vec<Life>,
    /// The hub's own stream, as long as it keeps it.
    key: Option<StreamKey>,
    /// Where that begins: own ids of before are not known any more.
    key_start: usize,
    /// The hub knows nothing of a stream of this name.
    is_unknown: bool,
    /// The newest place among all that the hub has forgotten.
    pub(super) forgotten_seq: u64,
    /// Where the current run begins.
    pub(super) run_start: usize,
    /// Where each run that ended did so.
    pub(super) run_ends: BTreeMap<u32, usize>,
    /// The hub has so little room that it forgets ids when it likes.
    is_tight: bool,
}

impl Published {
    pub(super) fn new(is_tight: bool) -> Self {
        Self {
            is_tight,
            is_unknown: true,
            ..Self::default()
        }
    }

    /// The hub has this stream, whose numbers began at `birth_seq`. Returns whether a life of the name that is over came before.
    pub(super) fn note_stream(&mut self, key: StreamKey, birth_seq: u64) -> bool {
        if self.key.replace(key) == Some(key) {
            return false;
        }
        self.is_unknown = false;
        self.key_start = self.len();
        if let Some(life) = self.lives.last_mut()
            && life.birth_seq == birth_seq
        {
            life.has_departed = true;
            return false;
        }
        self.lives.push(Life {
            birth_seq,
            start: self.len(),
            places: BTreeMap::new(),
            holes: 0,
            has_departed: false,
            forgotten_seq: self.forgotten_seq,
        });
        self.lives.len() > 1
    }

    /// The hub has no stream of this name.
    pub(super) fn note_absence(&mut self, is_remembered: bool) {
        self.key = None;
        self.key_start = self.len();
        self.is_unknown = !is_remembered;
        if let Some(life) = self.lives.last_mut() {
            life.has_departed = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn push(&mut self, event: Event) {
        let place = self.len();
        self.lives.last_mut().unwrap().places.insert(event.n, place);
        self.units.push(Unit::Event(event));
    }

    pub(super) fn lose(&mut self, count: usize) {
        self.units.extend((0..count).map(|_| Unit::Lost));
        self.lives.last_mut().unwrap().holes += 1;
    }

    /// The newest life, as the number of those before it.
    pub(super) fn newest_life(&self) -> usize {
        self.lives.len().saturating_sub(1)
    }

    /// The life of what stands before a place.
    pub(super) fn life_before(&self, place: usize) -> usize {
        let life = self.lives.iter().rposition(|life| life.start < place);
        life.unwrap_or_default()
    }

    /// Whether the hub knows where this life stopped or that it goes on.
    pub(super) fn knows(&self, life: usize) -> bool {
        !self.is_unknown && life == self.newest_life()
    }

    /// Below it no cursor can be sure to have seen everything that came in forgotten streams of this name.
    pub(super) fn doubtful_seq(&self) -> u64 {
        match self.lives.last() {
            Some(life) if !self.is_unknown => life.forgotten_seq,
            _ => self.forgotten_seq,
        }
    }

    /// The place of event `n` of the newest life, or of what comes after everything.
    pub(super) fn place_of(&self, n: u64) -> usize {
        let place = self.lives.last().and_then(|life| life.places.get(&n));
        place.copied().unwrap_or(self.len())
    }

    /// Where events with these numbers end that stand at `place` or after it, in this life or a later one.
    pub(super) fn end_of(
        &self,
        life: usize,
        place: usize,
        ns: RangeInclusive<u64>,
    ) -> Option<usize> {
        let lives = self.lives.iter().skip(life);
        let found = lives.filter_map(|life| {
            let is_after = *life.places.get(ns.start())? >= place;
            is_after.then_some(*life.places.get(ns.end())? + 1)
        });
        found.min()
    }

    /// The number of the newest event before a place, of the life that a position at `seq` is of; 0: none.
    pub(super) fn number_before(&self, place: usize, seq: u64) -> u64 {
        let life = self.lives.iter().rfind(|life| life.birth_seq < seq);
        let mut numbers = life.into_iter().flat_map(|life| &life.places);
        let before = numbers.rfind(|&(_, &at)| at < place);
        before.map_or(0, |(&n, _)| n)
    }

    /// The hub may not know any more how many were lost where in a life, or in one after it.
    pub(super) fn has_cut_holes(&self, life: usize) -> bool {
        let is_cut = |life: &Life| life.holes > MAX_HOLES || life.has_departed && life.holes > 0;
        self.lives.iter().skip(life).any(is_cut)
    }

    /// Where the newest event with an own id stands.
    pub(super) fn find_id(&self, id: &str) -> Option<usize> {
        let is_it = |place: &usize| self.event(*place).is_some_and(|event| event.id == id);
        (0..self.units.len()).rev().find(is_it)
    }

    /// Whether the hub may not know an own id any more.
    pub(super) fn may_forget(&self, id: &str) -> bool {
        let own = |unit: &&Unit| matches!(unit, Unit::Event(event) if !event.id.is_empty());
        let Some(place) = self.find_id(id) else {
            return true;
        };
        let later = self.units[place + 1..].iter().filter(own).count();
        self.is_tight || place < self.key_start || later >= MAX_GONE
    }

    pub(super) fn event(&self, place: usize) -> Option<&Event> {
        match self.units.get(place)? {
            Unit::Event(event) => Some(event),
            Unit::Lost => None,
        }
    }

    /// How many losses stand at `place` one after the other.
    pub(super) fn losses_from(&self, place: usize) -> usize {
        let units = self.units.iter().skip(place);
        units.take_while(|unit| matches!(unit, Unit::Lost)).count()
    }

    /// Where the event at `seq` stands, or the first of the losses right before it.
    pub(super) fn losses_before(&self, seq: u64) -> usize {
        let is_it = |place: &usize| self.event(*place).is_some_and(|event| event.seq == seq);
        let place = (0..self.len()).find(is_it).unwrap();
        let is_event = |place: &usize| self.event(*place).is_some();
        (0..place).rfind(is_event).map_or(0, |before| before + 1)
    }

    /// The place of the event with these data, which are unique, at `from` or after.
    pub(super) fn find(&self, from: usize, data: &str) -> Option<usize> {
        let is_it = |place: &usize| self.event(*place).is_some_and(|event| event.data == data);
        (from..self.units.len()).find(is_it)
    }
}
