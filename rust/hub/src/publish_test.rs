//! What POSTs do to the state: joined and left runs, repeated and missing events, streams that nobody uses any more. Pure, with its own
//! clock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use jupyter_sse_codec::{Epoch, RunKind};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::log::Incoming;
use crate::options::HubOptions;
use crate::producers::ProducerId;
use crate::publish::{Numbered, Posting};
use crate::state::{Refusal, State};

const MINUTE: u64 = 60_000;

fn state() -> State {
    state_with(HubOptions::default())
}

fn state_with(options: HubOptions) -> State {
    State::new(options, Epoch::from_random(1))
}

fn numbered(name: &str, producer: &str, next: u64) -> Posting {
    let producer = ProducerId::new("ada", producer);
    Posting::new(name, Some(Numbered { producer, next }))
}

fn post_one(state: &mut State, posting: &mut Posting, data: &str, now: u64) -> Result<(), Refusal> {
    let body = format!("data: {data}\n\n");
    let event = Incoming {
        event: b"",
        id: b"",
        body: body.as_bytes(),
    };
    state.post(posting, event, now)
}

/// A whole POST; what its sender is told.
fn post(state: &mut State, mut posting: Posting, data: &[&str], now: u64) -> Value {
    for data in data {
        post_one(state, &mut posting, data, now).unwrap();
    }
    state.finish_post(&mut posting, now).unwrap();
    state.leave_post(&posting, now);
    posting.report()
}

fn appended(state: &State, name: &str) -> u64 {
    state.find(name).unwrap().1.log.next() - 1
}

fn lost(state: &State, name: &str) -> u64 {
    state.find(name).unwrap().1.holes.total()
}

#[test]
fn a_post_without_events_makes_the_stream() {
    let mut state = state();
    let told = post(&mut state, Posting::new("a", None), &[], 0);
    assert_eq!(told["positions"], json!([]));
    assert_eq!(
        (told["count"].as_u64(), &told["first"]),
        (Some(0), &Value::Null)
    );
    assert_eq!(appended(&state, "a"), 0);
}

#[test]
fn a_repeated_body_is_published_once_and_told_its_positions() {
    let mut state = state();
    let first = post(&mut state, numbered("a", "p", 1), &["x", "y", "z"], 0);
    assert_eq!(
        (&first["count"], &first["duplicates"]),
        (&json!(3), &json!(0))
    );
    let again = post(&mut state, numbered("a", "p", 1), &["x", "y", "z"], 0);
    assert_eq!(
        (&again["count"], &again["duplicates"]),
        (&json!(0), &json!(3))
    );
    for field in ["positions", "first", "last"] {
        assert_eq!(again[field], first[field]);
    }
    assert_eq!(appended(&state, "a"), 3);
}

#[test]
fn of_a_body_that_was_cut_only_the_rest_is_published_when_it_is_sent_again() {
    let mut state = state();
    let mut cut = numbered("a", "p", 7);
    for data in ["1", "2"] {
        post_one(&mut state, &mut cut, data, 0).unwrap();
    }
    state.leave_post(&cut, 0);
    let again = post(&mut state, numbered("a", "p", 7), &["1", "2", "3"], 0);
    assert_eq!(
        (&again["count"], &again["duplicates"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(appended(&state, "a"), 3);
    assert_eq!(lost(&state, "a"), 0);
}

#[test]
fn numbers_that_were_left_out_are_told_to_readers_with_their_count() {
    let mut state = state();
    post(&mut state, numbered("a", "p", 1), &["1", "2"], 0);
    let told = post(&mut state, numbered("a", "p", 10), &["10", "11"], 0);
    assert_eq!((&told["count"], &told["lost"]), (&json!(2), &json!(7)));
    assert_eq!((appended(&state, "a"), lost(&state, "a")), (4, 7));
    let mut late = numbered("a", "p", 3);
    let refused = post_one(&mut state, &mut late, "3", 0);
    assert!(matches!(&refused, Err(Refusal::Late(text)) if text.contains("event 12")));
    assert_eq!(appended(&state, "a"), 4);
}

#[test]
fn producers_do_not_stand_in_each_others_way() {
    let mut state = state();
    for (name, producer) in [("a", "p"), ("a", "q"), ("b", "p")] {
        let told = post(&mut state, numbered(name, producer, 1), &["1"], 0);
        assert_eq!(told["count"], 1);
    }
    let producer = ProducerId::new("bob", "p");
    let other = Posting::new("a", Some(Numbered { producer, next: 1 }));
    assert_eq!(post(&mut state, other, &["1"], 0)["count"], 1);
}

#[test]
fn positions_are_listed_up_to_a_thousand_and_counted_beyond() {
    let mut state = state();
    let many = vec!["x"; 1000];
    let told = post(&mut state, Posting::new("a", None), &many, 0);
    assert_eq!(told["positions"].as_array().unwrap().len(), 1000);
    let many = vec!["x"; 1001];
    let told = post(&mut state, Posting::new("a", None), &many, 0);
    assert_eq!(
        (told.get("positions"), &told["count"]),
        (None, &json!(1001))
    );
    assert!(told["first"].as_str().unwrap().ends_with("-1001-1001"));
    assert!(told["last"].as_str().unwrap().ends_with("-2001-2001"));
}

#[test]
fn a_post_ends_with_its_run_and_a_new_one_starts_a_new_run() {
    let mut state = state();
    let mut posting = Posting::new("a", None);
    post_one(&mut state, &mut posting, "1", 0).unwrap();
    state.end("a", 0).unwrap();
    let refused = post_one(&mut state, &mut posting, "2", 0);
    assert!(matches!(refused, Err(Refusal::Over(_))));
    post(&mut state, Posting::new("a", None), &["3"], 0);
    let refused = post_one(&mut state, &mut posting, "4", 0);
    assert!(matches!(refused, Err(Refusal::Over(_))));
    let (_, stream) = state.find("a").unwrap();
    assert_eq!((stream.run.number, stream.run.kind), (2, RunKind::Post));
}

#[test]
fn a_repeated_body_starts_no_new_run_of_a_stream_that_has_ended() {
    let mut state = state();
    post(&mut state, numbered("a", "p", 1), &["1"], 0);
    state.end("a", 0).unwrap();
    assert_eq!(
        post(&mut state, numbered("a", "p", 1), &["1"], 0)["duplicates"],
        1
    );
    assert!(state.find("a").unwrap().1.is_ended());
    assert_eq!(
        post(&mut state, numbered("a", "p", 1), &["1", "2"], 0)["count"],
        1
    );
    assert_eq!(state.find("a").unwrap().1.run.number, 2);
}

#[test]
fn a_kernel_that_takes_a_stream_over_ends_the_post_that_was_writing_it() {
    let mut state = state();
    let mut posting = Posting::new("a", None);
    post_one(&mut state, &mut posting, "1", 0).unwrap();
    state.start_run("a", RunKind::Run, None, 0).unwrap();
    let refused = post_one(&mut state, &mut posting, "2", 0);
    assert!(matches!(refused, Err(Refusal::Owned(_))));
    assert!(matches!(state.may_post("a"), Err(Refusal::Owned(_))));
    assert!(matches!(state.may_post("a b"), Err(Refusal::Name(_))));
}

#[test]
fn a_posted_stream_that_nobody_uses_for_the_retention_is_ended_and_removed() {
    let mut state = state_with(HubOptions {
        ended_retention: Duration::from_secs(60),
        ..HubOptions::default()
    });
    post(&mut state, Posting::new("a", None), &["1"], 0);
    let (key, _) = state.find("a").unwrap();
    state.keep_house(MINUTE - 1);
    assert!(state.find("a").is_some());
    // A reader holds it, and the time counts from when it leaves.
    state.reader_entered(key, true);
    state.keep_house(5 * MINUTE);
    state.reader_gone(key, true);
    state.keep_house(6 * MINUTE - 1);
    assert!(state.find("a").is_some());
    // So does a POST that says nothing for a long time.
    let mut silent = Posting::new("a", None);
    post_one(&mut state, &mut silent, "2", 6 * MINUTE).unwrap();
    state.keep_house(9 * MINUTE);
    assert!(state.find("a").is_some());
    state.leave_post(&silent, 10 * MINUTE);
    state.keep_house(11 * MINUTE - 1);
    assert!(state.find("a").is_some());
    state.take_news();
    state.keep_house(11 * MINUTE);
    assert!(state.find("a").is_none());
    assert_eq!(state.take_news().removed, [key]);
}

#[test]
fn a_stream_of_a_kernel_is_never_idle() {
    let mut state = state_with(HubOptions {
        ended_retention: Duration::from_secs(60),
        ..HubOptions::default()
    });
    state.start_run("a", RunKind::Run, None, 0).unwrap();
    state.start_run("b", RunKind::Send, None, 0).unwrap();
    state.keep_house(1000 * MINUTE);
    assert!(state.find("a").is_some() && state.find("b").is_some());
}

#[test]
fn in_a_full_server_the_idlest_post_gives_way_after_those_that_have_ended() {
    let mut state = state_with(HubOptions {
        max_streams: 4,
        ..HubOptions::default()
    });
    let names = |state: &State| -> Vec<String> {
        let mut names: Vec<_> = state.streams().map(|(_, it)| it.name.to_string()).collect();
        names.sort();
        names
    };
    post(&mut state, Posting::new("read", None), &["1"], 1);
    let (read, _) = state.find("read").unwrap();
    state.reader_entered(read, false);
    let mut open = Posting::new("open", None);
    post_one(&mut state, &mut open, "1", 2).unwrap();
    post(&mut state, Posting::new("newer", None), &["1"], 4);
    post(&mut state, Posting::new("older", None), &["1"], 3);
    state.end("newer", 5).unwrap();
    post(&mut state, Posting::new("c", None), &["1"], 6);
    assert_eq!(names(&state), ["c", "older", "open", "read"]);
    post(&mut state, Posting::new("d", None), &["1"], 7);
    assert_eq!(names(&state), ["c", "d", "open", "read"]);
    state.start_run("kernel", RunKind::Run, None, 8).unwrap();
    state.start_run("kernel2", RunKind::Run, None, 8).unwrap();
    assert_eq!(names(&state), ["kernel", "kernel2", "open", "read"]);
    let refused = state.start_run("e", RunKind::Post, None, 9);
    assert!(matches!(refused, Err(Refusal::Limit(_))));
}

/// One producer's events `1..`, as bodies that overlap, break off and are in flight at the same time. Each says where it begins, how
/// long it is and after how many events it breaks off.
fn bodies() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    proptest::collection::vec((0_u64..6, 1_u64..8, 0_u64..9), 1..20)
}

proptest! {
    #[test]
    fn bodies_in_any_number_of_pieces_and_repeats_publish_each_event_once_and_in_order(
        bodies in bodies(),
        turns in proptest::collection::vec(0_usize..3, 0..120),
    ) {
        let mut state = state();
        let mut published: Vec<u64> = Vec::new();
        // A producer goes back to what it is not sure of, and never ahead of what it has tried to send.
        let mut open: Vec<(Posting, u64, u64)> = Vec::new();
        let mut bodies = bodies.into_iter();
        let mut turns = turns.into_iter().chain(std::iter::repeat(0));
        loop {
            if open.len() < 3 && let Some((back, count, cut)) = bodies.next() {
                let first = published.len() as u64 + 1 - back.min(published.len() as u64);
                open.push((numbered("a", "p", first), first, first + count.min(cut)));
            }
            if open.is_empty() {
                break;
            }
            let at = turns.next().unwrap() % open.len();
            let (posting, next, end) = &mut open[at];
            if *next < *end {
                let before = posting.published();
                post_one(&mut state, posting, &next.to_string(), 0).unwrap();
                if posting.published() > before {
                    published.push(*next);
                }
                *next += 1;
            } else {
                let (posting, _, _) = open.swap_remove(at);
                state.leave_post(&posting, 0);
            }
        }
        let expected: Vec<u64> = (1..=published.len() as u64).collect();
        prop_assert_eq!(&published, &expected);
        if !published.is_empty() {
            prop_assert_eq!(appended(&state, "a"), published.len() as u64);
            prop_assert_eq!(lost(&state, "a"), 0);
            prop_assert_eq!(state.find("a").unwrap().1.posts, 0);
        }
    }
}
