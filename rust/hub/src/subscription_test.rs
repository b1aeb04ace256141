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
use crate::state::State;

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

/// A stream comes, has one event, and is gone for good.
fn come_and_go(state: &mut State, name: &str) {
    let key = state.start_run(name, RunKind::Send, None, 0).unwrap();
    let incoming = Incoming {
        event: b"",
        id: b"",
        body: b"data: 1\n\n",
    };
    state.append(key, 0, incoming);
    state.end_run(key, EndReason::Done, None, 0);
    state.keep_house(u64::MAX);
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
