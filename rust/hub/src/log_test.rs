//! The log against what was put into it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jupyter_sse_codec::{Decoder, Epoch, MAX_EVENT_BYTES, encode_body};
use proptest::prelude::*;

use super::{Batch, ENTRY_BYTES, Entry, IdLine, Incoming, LEAST_ROOM, Log};
use crate::options::HistoryBounds;
use crate::own_ids::MAX_GONE;

/// Panics unless everything in the log agrees with everything else.
pub(crate) fn audit(log: &Log) {
    let cost = |entries: &[&Entry]| entries.iter().map(|entry| entry.cost()).sum::<usize>();
    let entries: Vec<&Entry> = log.entries.iter().collect();
    assert_eq!(log.held_bytes, cost(&entries));
    assert!(log.first <= log.history_first && log.history_first <= log.next());
    assert!(log.run_first <= log.history_first);
    let history = &entries[(log.history_first - log.first) as usize..];
    assert_eq!(log.history_bytes, cost(history));
    assert!(history.len() as u64 <= log.bounds.events);
    assert!(log.history_bytes <= log.bounds.bytes);
    let mut end = entries
        .first()
        .map_or(log.blocks.end(), |entry| entry.offset);
    let mut seq = log.evicted_seq;
    for entry in &entries {
        assert_eq!(entry.offset, end);
        assert!(entry.seq > seq);
        end += u64::from(entry.len);
        seq = entry.seq;
    }
    assert_eq!(end, log.blocks.end());
    assert_eq!(seq, log.newest_seq());
    for (n, entry) in (log.first..).zip(&entries).filter(|(_, it)| it.own_id) {
        assert!(log.find_own_id(log.own_id(entry)) >= Some(n));
    }
    let wire: usize = entries.iter().map(|entry| entry.len as usize).sum();
    let room = log.blocks.room_bytes() + log.entries.capacity() * ENTRY_BYTES;
    // Blocks are freed as a whole, so the oldest may be held for the sake of its last event.
    assert!(room <= 2 * wire + (128 << 10) + (8 * entries.len() + 8 * LEAST_ROOM) * ENTRY_BYTES);
}

/// One event as a producer gives it.
#[derive(Debug, Clone)]
struct Given {
    event: String,
    id: String,
    data: String,
}

fn given() -> impl Strategy<Value = Given> {
    let event = prop_oneof![Just(String::new()), "[a-z:.é]{1,12}"];
    let event = event.prop_filter("reserved", |event: &String| !event.starts_with("sse."));
    let id = prop_oneof![Just(String::new()), "[0-9a-z -]{1,20}"];
    (event, id, "(?s).{0,60}").prop_map(|(event, id, data)| Given { event, id, data })
}

fn body(data: &str) -> Vec<u8> {
    let mut body = Vec::new();
    encode_body(&mut body, Some(data), None, None);
    body
}

fn epoch() -> Epoch {
    Epoch::from_random(7)
}

fn bounds(events: u64) -> HistoryBounds {
    HistoryBounds {
        events,
        bytes: 1 << 30,
        age: None,
    }
}

/// A log with these events, of which the first few are gone.
fn filled(all: &[Given], gone: usize) -> Log {
    let mut log = Log::new(bounds((all.len() - gone) as u64));
    for (at, one) in all.iter().enumerate() {
        let body = body(&one.data);
        let incoming = Incoming {
            event: one.event.as_bytes(),
            id: one.id.as_bytes(),
            body: &body,
        };
        log.append(&epoch(), 10 + 3 * at as u64, 0, incoming);
    }
    log.trim(0);
    log
}

fn copied(log: &Log, from: u64, qualifier: Option<&str>, id: IdLine) -> Vec<u8> {
    let mut out = Vec::new();
    for n in from..log.next() {
        log.copy_event(&epoch(), n, qualifier, id, &mut out);
    }
    out
}

/// `(type, data, id)` of each event.
fn decoded(bytes: &[u8]) -> Vec<(String, String, String)> {
    let mut events = Vec::new();
    Decoder::new(MAX_EVENT_BYTES)
        .feed(bytes, |event| {
            events.push((event.event.into(), event.data.into(), event.id.into()));
        })
        .unwrap();
    events
}

fn position(at: usize) -> String {
    format!("{}-{}-{}", epoch(), 10 + 3 * at, at + 1)
}

proptest! {
    // Under Miri each takes minutes, not microseconds.
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]

    #[test]
    fn both_ways_to_copy_agree(
        all in prop::collection::vec(given(), 1..60),
        gone in 0..60_usize,
        from in 0..60_usize,
        most in 0..4000_usize,
    ) {
        let gone = gone % all.len();
        let log = filled(&all, gone);
        audit(&log);
        let from = log.first() + from as u64 % (all.len() - gone) as u64;
        let (mut batch, mut bytes, mut next) = (Batch::default(), Vec::new(), from);
        while next < log.next() {
            log.copy_wire(next, most, &mut batch);
            prop_assert!(batch.bytes.len() <= most || batch.ends.len() == 1);
            prop_assert_eq!(batch.ends.last(), Some(&batch.bytes.len()));
            bytes.extend_from_slice(&batch.bytes);
            next += batch.ends.len() as u64;
        }
        prop_assert_eq!(next, log.next());
        prop_assert_eq!(bytes, copied(&log, from, None, IdLine::Own));
    }

    #[test]
    fn what_was_published_comes_out(all in prop::collection::vec(given(), 1..40), gone in 0..40_usize) {
        let gone = gone % all.len();
        let log = filled(&all, gone);
        let plain = decoded(&copied(&log, log.first(), None, IdLine::Own));
        let positions = decoded(&copied(&log, log.first(), None, IdLine::Position));
        let qualified = decoded(&copied(&log, log.first(), Some("nb/a.b~c"), IdLine::Position));
        let silent = decoded(&copied(&log, log.first(), Some("a"), IdLine::Absent));
        prop_assert_eq!(plain.len(), all.len() - gone);
        for (index, (at, one)) in all.iter().enumerate().skip(gone).enumerate() {
            let event = if one.event.is_empty() { "message" } else { &one.event };
            let data = one.data.replace("\r\n", "\n").replace('\r', "\n");
            let id = if one.id.is_empty() { position(at) } else { one.id.clone() };
            prop_assert_eq!(&plain[index], &(event.to_owned(), data.clone(), id));
            prop_assert_eq!(&positions[index], &(event.to_owned(), data.clone(), position(at)));
            let name = format!("nb/a.b~c:{event}");
            prop_assert_eq!(&qualified[index], &(name, data.clone(), position(at)));
            prop_assert_eq!(&silent[index], &(format!("a:{event}"), data, String::new()));
        }
    }

    #[test]
    fn an_own_id_leads_to_its_newest_event(all in prop::collection::vec(given(), 1..40), gone in 0..40_usize) {
        let gone = gone % all.len();
        let log = filled(&all, gone);
        for one in all.iter().filter(|one| !one.id.is_empty()) {
            let newest = all.iter().rposition(|other| other.id == one.id).unwrap();
            // Of those that are gone, only so many.
            let is_newest = |at: &usize| !all[at + 1..].iter().any(|other| other.id == all[*at].id);
            let has_id = |at: &usize| !all[*at].id.is_empty();
            let known = (newest..gone).filter(has_id).filter(is_newest).count() <= MAX_GONE;
            let expected = known.then_some(newest as u64 + 1);
            prop_assert_eq!(log.find_own_id(one.id.as_bytes()), expected);
        }
    }
}

#[test]
fn a_place_in_the_order_of_all_events_leads_to_the_next_event() {
    let one = Given {
        event: String::new(),
        id: String::new(),
        data: String::new(),
    };
    let log = filled(&vec![one; 10], 4);
    assert_eq!(log.evicted_seq(), 19);
    for (seq, n) in [
        (0, 5),
        (19, 5),
        (21, 5),
        (22, 6),
        (23, 6),
        (37, 11),
        (99, 11),
    ] {
        assert_eq!(log.first_after_seq(seq), n, "{seq}");
    }
}

#[test]
fn age_takes_events_out_of_the_history() {
    let mut log = Log::new(HistoryBounds {
        age: Some(Duration::from_secs(1)),
        ..bounds(100)
    });
    for at in [0, 500, 1500] {
        let body = b"data: x\n\n";
        let incoming = Incoming {
            event: b"",
            id: b"",
            body,
        };
        log.append(&epoch(), at + 1, at, incoming);
    }
    log.expire(1500);
    assert_eq!((log.history_first(), log.first()), (2, 1));
    log.expire(9999);
    log.trim(0);
    assert_eq!(
        (log.history_first(), log.first(), log.held_bytes()),
        (4, 4, 0)
    );
    audit(&log);
}

#[test]
fn a_log_that_was_long_once_gives_its_room_back() {
    let all: Vec<Given> = (0..20_000)
        .map(|number| Given {
            event: String::new(),
            id: number.to_string(),
            data: "x".repeat(100),
        })
        .collect();
    let mut log = filled(&all, 0);
    assert!(log.held_bytes() > 20_000 * (100 + ENTRY_BYTES));
    log.start_run();
    log.trim(1000);
    assert!(log.held_bytes() <= 1000);
    assert!(log.entries.capacity() < 1000 && log.own_ids.capacity() < 1000 && log.bytes() < 3000);
    assert!(log.blocks.room_bytes() <= 64 << 10);
    audit(&log);
}
