//! Streams that are gone, as far as readers who knew them may come back: numbers go on where they stopped, so that a stream of the
//! same name never looks like the old one, and what is missing can be counted.

use std::collections::HashMap;

/// The most names that are remembered. Few in tests, so that they get there.
const MAX_NAMES: usize = if cfg!(test) { 4 } else { 10_000 };

/// Where a stream stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Last {
    /// Its newest event's number.
    pub(crate) n: u64,
    /// That event's place among all events of the server.
    pub(crate) seq: u64,
    /// The place among all events of the server at which its numbers began; `None`: the stream is forgotten, or has never been.
    pub(crate) birth_seq: Option<u64>,
    /// Its newest run.
    pub(crate) run: u32,
    /// How many events its producers had lost.
    pub(crate) lost: u64,
    /// The newest of these losses' place among all events of the server.
    pub(crate) lost_seq: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    names: HashMap<String, Last>,
    /// What holds for every name that is not remembered any more: no cursor before this `seq` is sure to have seen all, and no run
    /// had a higher number.
    forgotten: Last,
}

impl Departed {
    pub(crate) fn remember(&mut self, name: &str, last: Last) {
        // Not this one, however old its newest event is: readers who are connected have not looked since.
        if self.names.len() >= MAX_NAMES {
            self.forget_older_half();
        }
        self.names.insert(name.to_owned(), last);
    }

    /// Where the stream of this name stopped; what holds for all that are forgotten where nothing is known of it.
    pub(crate) fn last(&self, name: &str) -> Last {
        self.names.get(name).copied().unwrap_or(self.forgotten)
    }

    /// The place of the newest event of which nothing is known any more but this.
    pub(crate) fn forgotten_seq(&self) -> u64 {
        self.forgotten.seq
    }

    /// Where a new stream of this name goes on.
    pub(crate) fn take(&mut self, name: &str) -> Last {
        self.names.remove(name).unwrap_or(self.forgotten)
    }

    fn forget_older_half(&mut self) {
        let mut seqs: Vec<u64> = self.names.values().map(|last| last.seq).collect();
        let middle = seqs.len() / 2;
        let (_, &mut limit, _) = seqs.select_nth_unstable(middle);
        let forgotten = &mut self.forgotten;
        self.names.retain(|_, last| {
            let is_kept = last.seq > limit;
            if !is_kept {
                forgotten.seq = forgotten.seq.max(last.seq).max(last.lost_seq);
                forgotten.run = forgotten.run.max(last.run);
            }
            is_kept
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Departed, Last, MAX_NAMES};

    #[test]
    fn a_stream_that_has_just_gone_is_remembered_however_old_its_events_are() {
        let mut departed = Departed::default();
        let last = |seq| Last {
            n: 3,
            seq,
            ..Last::default()
        };
        for number in 1..=MAX_NAMES as u64 {
            departed.remember(&number.to_string(), last(number + 10));
        }
        departed.remember("old", last(1));
        assert_eq!(departed.last("old").n, 3);
    }

    #[test]
    fn what_is_forgotten_still_bounds_cursors_and_runs() {
        let mut departed = Departed::default();
        for number in 0..=MAX_NAMES as u64 {
            let last = Last {
                n: 3,
                seq: number,
                run: 7,
                ..Last::default()
            };
            departed.remember(&number.to_string(), last);
        }
        assert!(departed.names.len() <= MAX_NAMES);
        let forgotten = departed.take("0");
        assert!(forgotten.seq >= MAX_NAMES as u64 / 2);
        assert_eq!((forgotten.n, forgotten.run), (0, 7));
        assert_eq!(departed.take(&MAX_NAMES.to_string()).n, 3);
    }
}
