//! What one subscriber is told, and what it holds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use jupyter_sse_codec::{EndReason, Epoch, RunKind};

use super::{MAX_STREAMS, Step, Subscription, Wants};
use crate::clock::Now;
use crate::log::Incoming;
use crate::options::HubOptions;
use crate::start::Start;
use crate::state::{State, StreamKey};

fn state() -> State {
    let options = HubOptions {
        ping_interval: Duration::from_secs(15),
        ..HubOptions::default()
    };
    State::new(options, Epoch::from_random(1))
}

fn reading(state: &State, names: &[&str]) -> Subscription {
    let mut subscription = Subscription::new(Wants::default(), Arc::default());
    for name in names {
        subscription.add(state, name, &Start::Earliest);
    }
    subscription
}

/// Everything that there is for a reader.
fn text(subscription: &mut Subscription, state: &State) -> String {
    let mut out = Vec::new();
    while subscription.step(state, Now::default(), 1 << 20, &mut out) == Step::Write {}
    String::from_utf8(out).unwrap()
}

#[test]
fn each_stream_that_one_connection_refuses_is_named_within_a_bound() {
    let state = state();
    let mut subscription = reading(&state, &[]);
    for number in 0..3 * MAX_STREAMS {
        subscription.add(&state, &format!("s{number}"), &Start::Earliest);
    }
    let refused = subscription.refused.as_deref().unwrap();
    assert!(refused.names.len() <= MAX_STREAMS);
    let told = text(&mut subscription, &state);
    assert_eq!(told.matches("\"status\":429").count(), MAX_STREAMS + 1);
    assert!(told.contains(&format!("{MAX_STREAMS} more")));
    assert!(!text(&mut subscription, &state).contains("429"));
}

#[test]
fn who_asks_for_one_stream_of_a_reader_is_told_of_no_other() {
    let state = state();
    let subscription = reading(&state, &["a", "b", "c"]);
    let names = |only| {
        let reports = subscription.report(&state, only);
        reports
            .iter()
            .map(|it| it.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["a", "b", "c"]);
    assert_eq!(names(Some("b")), ["b"]);
}

#[test]
fn a_connection_of_many_streams_has_the_smallest_of_their_ping_intervals() {
    let mut state = state();
    for (name, interval) in [
        ("usual", None),
        ("slow", Some(60_000)),
        ("fast", Some(2000)),
    ] {
        let key = state.start_run(name, RunKind::Send, None, 0).unwrap();
        state.stream_mut(key).unwrap().ping_interval = interval;
    }
    let interval = |names: &[&str]| reading(&state, names).ping_interval(&state);
    assert_eq!(interval(&["slow"]), 60_000);
    assert_eq!(interval(&["usual", "slow"]), 15_000);
    assert_eq!(interval(&["usual", "slow", "fast"]), 2000);
    assert_eq!(interval(&["missing"]), 15_000);
}

fn come(state: &mut State, name: &str) -> StreamKey {
    state.start_run(name, RunKind::Send, None, 0).unwrap()
}

fn append(state: &mut State, key: StreamKey) {
    let incoming = Incoming {
        event: b"",
        id: b"",
        body: b"data: 1\n\n",
    };
    state.append(key, 0, incoming);
}

/// A stream is gone for good.
fn go(state: &mut State, key: StreamKey) {
    state.end_run(key, EndReason::Done, None, 0);
    state.keep_house(u64::MAX);
}

fn come_and_go(state: &mut State, name: &str) {
    let key = come(state, name);
    append(state, key);
    go(state, key);
}

#[test]
fn who_waited_while_a_stream_came_went_and_was_forgotten_is_told_that_something_is_missing() {
    let mut state = state();
    let mut waiting = reading(&state, &["x"]);
    assert!(!text(&mut waiting, &state).contains("sse.gap"));
    come_and_go(&mut state, "x");
    for number in 0..10 {
        come_and_go(&mut state, &format!("other{number}"));
    }
    let gap = r#"{"lost":{"count":null,"from":null,"to":null},"reason":"evicted""#;
    assert!(text(&mut waiting, &state).contains(gap));
    assert!(!text(&mut waiting, &state).contains("sse.gap"));
    // And its numbers begin anew.
    come_and_go(&mut state, "x");
    let gap = r#"{"lost":{"count":1,"from":1,"to":1},"reason":"evicted""#;
    assert!(text(&mut waiting, &state).contains(gap));
}

#[test]
fn what_was_lost_in_a_stream_without_events_that_went_and_comes_again_is_told_once() {
    let mut state = state();
    come_and_go(&mut state, "other");
    let key = come(&mut state, "x");
    let mut reading = reading(&state, &["x"]);
    state.add_hole(key, 7);
    go(&mut state, key);
    assert!(text(&mut reading, &state).contains(r#""lost":{"count":7,"#));
    come_and_go(&mut state, "other");
    let key = come(&mut state, "x");
    state.add_hole(key, 1);
    let told = text(&mut reading, &state);
    assert_eq!(told.matches("sse.gap").count(), 1, "{told}");
    assert!(told.contains(r#""lost":{"count":1,"#), "{told}");
}

#[test]
fn what_is_missing_of_a_stream_that_went_and_is_there_again_is_counted_whatever_else_was_forgotten()
{
    let mut state = state();
    let key = come(&mut state, "x");
    append(&mut state, key);
    let mut reading = reading(&state, &["x"]);
    text(&mut reading, &state);
    for number in 0..4 {
        come_and_go(&mut state, &format!("other{number}"));
    }
    append(&mut state, key);
    append(&mut state, key);
    go(&mut state, key);
    assert!(state.forgotten_seq() > 0);
    let key = come(&mut state, "x");
    append(&mut state, key);
    let told = text(&mut reading, &state);
    assert_eq!(told.matches("sse.gap").count(), 1, "{told}");
    let lost = r#""lost":{"count":2,"from":2,"to":3}"#;
    assert!(told.contains(lost), "{told}");
}

#[test]
fn who_had_not_read_the_history_of_a_stream_that_is_forgotten_is_told_that_something_is_missing() {
    let mut state = state();
    let mut found = reading(&state, &["y"]);
    let keys = ["x", "y"].map(|name| come(&mut state, name));
    for key in keys {
        append(&mut state, key);
    }
    for name in ["a", "b"] {
        come_and_go(&mut state, name);
    }
    let mut begun = reading(&state, &["x"]);
    found.look_up(&state);
    for key in keys {
        go(&mut state, key);
    }
    // Nothing that is forgotten now came after these looks.
    let key = come(&mut state, "c");
    go(&mut state, key);
    assert!((1..state.seq()).contains(&state.forgotten_seq()));
    for subscription in [&mut begun, &mut found] {
        let gap = r#"{"lost":{"count":null,"from":null,"to":null},"reason":"evicted""#;
        assert!(text(subscription, &state).contains(gap));
    }
}

#[test]
fn what_is_missing_of_two_lives_of_a_name_has_a_count_and_no_range() {
    let mut state = state();
    let key = come(&mut state, "x");
    append(&mut state, key);
    let mut reading = reading(&state, &["x"]);
    go(&mut state, key);
    for name in ["a", "b", "c"] {
        come_and_go(&mut state, name);
    }
    // What is forgotten now is no older than this look.
    reading.look_up(&state);
    come_and_go(&mut state, "d");
    assert!(state.forgotten_seq() > 0);
    for _ in 0..2 {
        come_and_go(&mut state, "x");
        reading.look_up(&state);
    }
    let gap = r#"{"lost":{"count":3,"from":null,"to":null},"reason":"evicted""#;
    let told = text(&mut reading, &state);
    assert!(told.contains(gap), "{told}");
}
