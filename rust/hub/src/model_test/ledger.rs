//! What the producers of one link said, and what became of it: nothing may get lost on the way unannounced, nothing come twice.

use std::collections::BTreeMap;

/// An event as its producer sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentEvent {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) data: String,
}

/// What stands at one place of the link's sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// The link may drop it, and has to announce that.
    Event,
    /// The start or the end of a producer: never dropped.
    Mark,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    said: Vec<Said>,
    /// By key.
    events: BTreeMap<u32, Vec<SentEvent>>,
    /// How many events of each key have come or were told to be lost.
    settled: BTreeMap<u32, usize>,
    /// The same after each frame that settled something: its place, the key, how many.
    steps: Vec<(u64, u32, usize)>,
    /// The newest place that the hub has taken.
    seen: u64,
}

impl Ledger {
    /// A producer starts or ends.
    pub(super) fn mark(&mut self) {
        self.said.push(Said::Mark);
    }

    pub(super) fn send(&mut self, key: u32, event: SentEvent) {
        self.said.push(Said::Event);
        self.events.entry(key).or_default().push(event);
    }

    /// The newest place.
    pub(super) fn last_seq(&self) -> u64 {
        self.said.len() as u64
    }

    /// The hub is given the frame at `seq`. Returns whether it has not had it before.
    pub(super) fn take(&mut self, seq: u64) -> bool {
        assert!(
            (1..=self.last_seq()).contains(&seq),
            "a place that nobody gave away"
        );
        if seq <= self.seen {
            return false;
        }
        let skipped = self.seen as usize..seq as usize - 1;
        let is_dropped = |said: &Said| *said == Said::Event;
        assert!(
            self.said[skipped].iter().all(is_dropped),
            "the link lost a start or an end"
        );
        self.seen = seq;
        true
    }

    /// It is this event: the next one of its key.
    pub(super) fn take_event(&mut self, seq: u64, key: u32, came: &SentEvent) {
        let settled = self.settled.entry(key).or_default();
        assert_eq!(self.events[&key].get(*settled), Some(came), "out of order");
        *settled += 1;
        self.steps.push((seq, key, *settled));
    }

    /// It says that so many events of a key are lost: the next ones.
    pub(super) fn take_loss(&mut self, seq: u64, key: u32, count: u64) {
        let settled = self.settled.entry(key).or_default();
        *settled += count as usize;
        assert!(
            count > 0 && *settled <= self.events[&key].len(),
            "more lost than sent"
        );
        self.steps.push((seq, key, *settled));
    }

    /// Another hub, which has had nothing: what the link has the receipt for is not said again, everything else is.
    pub(super) fn restart(&mut self, acked_seq: u64) {
        self.steps.retain(|&(seq, _, _)| seq <= acked_seq);
        self.settled = self
            .steps
            .iter()
            .map(|&(_, key, settled)| (key, settled))
            .collect();
        self.seen = acked_seq;
    }

    /// Everything is on the other side.
    pub(super) fn check_settled(&self) {
        assert_eq!(self.seen, self.last_seq(), "the last that was said");
        for (key, events) in &self.events {
            let settled = self.settled.get(key).copied().unwrap_or_default();
            assert_eq!(settled, events.len(), "key {key}: missing and untold");
        }
    }
}
