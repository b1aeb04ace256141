//! What was published in one stream, as the model remembers it: everything, for ever.

use std::collections::BTreeMap;

use crate::holes::MAX_HOLES;
use crate::own_ids::MAX_GONE;

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

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Published {
    pub(super) units: Vec<Unit>,
    /// Where the event with a number stands among the units.
    places: BTreeMap<u64, usize>,
    /// Where the current run begins.
    pub(super) run_start: usize,
    /// Where each run that ended did so.
    pub(super) run_ends: BTreeMap<u32, usize>,
    /// At how many places its producers lost something.
    pub(super) holes: usize,
    /// It was removed at least once.
    pub(super) has_departed: bool,
    /// Its numbers began anew under readers who had not looked: what they are told is missing is counted with the old ones.
    pub(super) has_two_counts: bool,
    /// The hub has so little room that it forgets ids when it likes.
    pub(super) is_tight: bool,
}

impl Published {
    pub(super) fn new(is_tight: bool) -> Self {
        Self {
            is_tight,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn push(&mut self, event: Event) {
        self.places.insert(event.n, self.units.len());
        self.units.push(Unit::Event(event));
    }

    pub(super) fn lose(&mut self, count: usize) {
        self.units.extend((0..count).map(|_| Unit::Lost));
        self.holes += 1;
    }

    /// The place of event `n`, or of what comes after everything.
    pub(super) fn place_of(&self, n: u64) -> usize {
        self.places.get(&n).copied().unwrap_or(self.units.len())
    }

    /// The number of the newest event before a place; 0: none.
    pub(super) fn number_before(&self, place: usize) -> u64 {
        let before = (0..place).rev().find_map(|place| self.event(place));
        before.map_or(0, |event| event.n)
    }

    /// The hub may not know any more how many were lost where.
    pub(super) fn has_cut_holes(&self) -> bool {
        self.holes > MAX_HOLES || self.has_departed && self.holes > 0
    }

    /// Where the newest event with an own id stands.
    pub(super) fn find_id(&self, id: &str) -> Option<usize> {
        let is_it = |place: &usize| self.event(*place).is_some_and(|event| event.id == id);
        (0..self.units.len()).rev().find(is_it)
    }

    /// Whether the hub may not know an own id any more.
    pub(super) fn may_forget(&self, id: &str) -> bool {
        let own = |unit: &&Unit| matches!(unit, Unit::Event(event) if !event.id.is_empty());
        let is_it = |unit: &Unit| matches!(unit, Unit::Event(event) if event.id == id);
        let place = self.units.iter().position(is_it);
        let later = place.map(|place| self.units[place + 1..].iter().filter(own).count());
        self.is_tight || self.has_departed || later.is_none_or(|later| later >= MAX_GONE)
    }

    /// The numbers begin anew: the hub has forgotten an earlier stream of this name.
    pub(super) fn renumber(&mut self) {
        self.places.clear();
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

    /// The place of the event with these data, which are unique, at `from` or after.
    pub(super) fn find(&self, from: usize, data: &str) -> Option<usize> {
        let is_it = |place: &usize| self.event(*place).is_some_and(|event| event.data == data);
        (from..self.units.len()).find(is_it)
    }
}
