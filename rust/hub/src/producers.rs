//! What producers over HTTP have published, so that a body that is sent again is not published again.
//!
//! A producer gives each of its events a number, one more than the last. What is kept of it is which numbers were published, and where,
//! for as long as it is not silent for too long and others do not need its room.

use std::collections::{HashMap, VecDeque};

use sha2::{Digest, Sha256};

use crate::state::StreamKey;

/// The most producers that are remembered. Few in tests, so that they get there.
const MAX_PRODUCERS: usize = if cfg!(test) { 4 } else { 10_000 };
/// The most stretches of events that are remembered of one. A producer that is alone in its stream has one.
const MAX_SPANS: usize = 16;

/// One producer of one stream: the digest of its user and its id, which may be long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ProducerId([u8; 32]);

impl ProducerId {
    /// Two users may choose the same id and are two producers.
    pub(crate) fn new(user: &str, id: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update((user.len() as u64).to_le_bytes());
        digest.update(user);
        digest.update(id);
        Self(digest.finalize().into())
    }
}

/// What is known of an event with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is the next one, after so many that never came.
    New {
        /// How many numbers were left out.
        lost: u64,
    },
    /// It was published: `(seq, n)` of its position where that is still known.
    Before(Option<(u64, u64)>),
    /// Later ones were published without it, so it would come out of order. `expected` is the next number.
    Late {
        /// What may come.
        expected: u64,
    },
}

/// Events that stand one after the other, in their producer's numbers and in the stream.
#[derive(Debug, Clone, Copy)]
struct Span {
    number: u64,
    seq: u64,
    n: u64,
    count: u64,
}

#[derive(Debug)]
struct Producer {
    used_at: u64,
    /// The newest number that was published.
    last: u64,
    spans: VecDeque<Span>,
    /// The oldest span is not the first there was.
    is_cut: bool,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    known: HashMap<(StreamKey, ProducerId), Producer>,
}

impl Producers {
    /// What is known of the event `number`. A producer of whom nothing is known may begin with any.
    pub(crate) fn look(&self, stream: StreamKey, id: ProducerId, number: u64) -> Seen {
        let Some(producer) = self.known.get(&(stream, id)) else {
            return Seen::New { lost: 0 };
        };
        if number > producer.last {
            let lost = number - producer.last - 1;
            return Seen::New { lost };
        }
        let after = producer.spans.partition_point(|it| it.number <= number);
        let span = after.checked_sub(1).and_then(|at| producer.spans.get(at));
        match span {
            Some(span) if number - span.number < span.count => {
                let offset = number - span.number;
                Seen::Before(Some((span.seq + offset, span.n + offset)))
            }
            None if producer.is_cut => Seen::Before(None),
            _ => Seen::Late {
                expected: producer.last.saturating_add(1),
            },
        }
    }

    /// The event `number` was appended at `seq` and `n`.
    pub(crate) fn note(
        &mut self,
        stream: StreamKey,
        id: ProducerId,
        number: u64,
        (seq, n): (u64, u64),
        now: u64,
    ) {
        let producer = self.known.entry((stream, id)).or_insert_with(|| Producer {
            used_at: now,
            last: number,
            spans: VecDeque::new(),
            is_cut: false,
        });
        producer.used_at = now;
        producer.last = number;
        let follows = |it: &Span| {
            let next = it.number.saturating_add(it.count);
            (next, it.seq + it.count, it.n + it.count) == (number, seq, n)
        };
        match producer.spans.back_mut() {
            Some(span) if follows(span) => span.count += 1,
            _ => producer.spans.push_back(Span {
                number,
                seq,
                n,
                count: 1,
            }),
        }
        if producer.spans.len() > MAX_SPANS {
            producer.spans.pop_front();
            producer.is_cut = true;
        }
        if self.known.len() > MAX_PRODUCERS {
            self.forget_older_half();
        }
    }

    /// A stream is gone, and what was published in it.
    pub(crate) fn forget(&mut self, stream: StreamKey) {
        self.known.retain(|(of, _), _| *of != stream);
    }

    /// Forgets whoever has been silent for `retention` milliseconds.
    pub(crate) fn expire(&mut self, now: u64, retention: u64) {
        self.known
            .retain(|_, producer| now < producer.used_at.saturating_add(retention));
    }

    fn forget_older_half(&mut self) {
        let mut times: Vec<u64> = self.known.values().map(|it| it.used_at).collect();
        let middle = times.len() / 2;
        let (_, &mut limit, _) = times.select_nth_unstable(middle);
        let mut excess = middle;
        self.known.retain(|_, producer| {
            let is_older = producer.used_at <= limit && excess > 0;
            excess -= usize::from(is_older);
            !is_older
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PRODUCERS, MAX_SPANS, ProducerId, Producers, Seen};

    fn id(text: &str) -> ProducerId {
        ProducerId::new("ada", text)
    }

    #[test]
    fn a_repeated_event_is_known_with_its_position() {
        let mut producers = Producers::default();
        for number in 5..8 {
            assert_eq!(producers.look(1, id("p"), number), Seen::New { lost: 0 });
            producers.note(1, id("p"), number, (100 + number, number - 4), 0);
        }
        for number in 5..8 {
            let position = Some((100 + number, number - 4));
            assert_eq!(producers.look(1, id("p"), number), Seen::Before(position));
        }
        for (stream, other) in [(2, id("p")), (1, id("q")), (1, ProducerId::new("bob", "p"))] {
            assert_eq!(producers.look(stream, other, 5), Seen::New { lost: 0 });
        }
        assert_ne!(ProducerId::new("ab", "c"), ProducerId::new("a", "bc"));
    }

    #[test]
    fn what_was_left_out_is_counted_and_comes_too_late() {
        let mut producers = Producers::default();
        producers.note(1, id("p"), 5, (1, 1), 0);
        assert_eq!(producers.look(1, id("p"), 9), Seen::New { lost: 3 });
        producers.note(1, id("p"), 9, (3, 2), 0);
        for number in [4, 6, 8] {
            let seen = producers.look(1, id("p"), number);
            assert_eq!(seen, Seen::Late { expected: 10 });
        }
        assert_eq!(producers.look(1, id("p"), 5), Seen::Before(Some((1, 1))));
        assert_eq!(producers.look(1, id("p"), 9), Seen::Before(Some((3, 2))));
    }

    #[test]
    fn positions_of_a_producer_that_shares_its_stream_are_known_as_far_as_they_are_kept() {
        let mut producers = Producers::default();
        let most = MAX_SPANS as u64 + 1;
        for number in 1..=most {
            producers.note(1, id("p"), number, (2 * number, 2 * number), 0);
        }
        assert_eq!(producers.look(1, id("p"), 1), Seen::Before(None));
        for number in 2..=most {
            let position = Some((2 * number, 2 * number));
            assert_eq!(producers.look(1, id("p"), number), Seen::Before(position));
        }
    }

    #[test]
    fn producers_are_forgotten_after_a_time_and_the_idlest_when_there_are_too_many() {
        let mut producers = Producers::default();
        producers.note(1, id("p"), 1, (1, 1), 0);
        producers.note(2, id("p"), 1, (2, 1), 10);
        producers.expire(99, 100);
        assert_eq!(producers.known.len(), 2);
        producers.expire(100, 100);
        assert_eq!(producers.look(1, id("p"), 1), Seen::New { lost: 0 });
        producers.forget(2);
        assert_eq!(producers.known.len(), 0);
        for number in 0..1000 {
            producers.note(1, id(&number.to_string()), 1, (1, 1), number);
            assert!(producers.known.len() <= MAX_PRODUCERS);
            let newest = producers.look(1, id(&number.to_string()), 1);
            assert_eq!(newest, Seen::Before(Some((1, 1))));
        }
    }
}
