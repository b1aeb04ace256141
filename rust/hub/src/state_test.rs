//! The bounds of the whole server: who gives way to whom, and when.

use std::time::Duration;

use jupyter_sse_codec::{EndReason, Epoch, RunKind};

use crate::log::Incoming;
use crate::options::HubOptions;
use crate::state::{Refusal, State, StreamKey};
use crate::stream::ProducerInfo;

fn state(options: HubOptions) -> State {
    State::new(options, Epoch::from_random(1))
}

fn start(state: &mut State, name: &str) -> StreamKey {
    let producer = ProducerInfo {
        kernel: "k".to_owned(),
        label: "nb".to_owned(),
        pid: 1,
    };
    let key = state.start_run(name, RunKind::Run, Some(producer), 0);
    key.unwrap_or_default()
}

/// Appends events of about a thousand bytes.
fn fill(state: &mut State, key: StreamKey, events: usize) {
    let body = format!("data: {}\n\n", "x".repeat(920));
    for _ in 0..events {
        let incoming = Incoming {
            event: b"",
            id: b"",
            body: body.as_bytes(),
        };
        state.append(key, 0, incoming);
    }
}

fn held(state: &State, key: StreamKey) -> usize {
    state.stream(key).map_or(0, |it| it.log.bytes())
}

fn start_with_a_megabyte() -> State {
    state(HubOptions {
        max_total_bytes: 1_000_000,
        ..HubOptions::default()
    })
}

#[test]
fn a_quiet_stream_never_pays_for_a_noisy_one() {
    let mut state = start_with_a_megabyte();
    let (quiet, noisy) = (start(&mut state, "quiet"), start(&mut state, "noisy"));
    fill(&mut state, quiet, 480);
    let before = held(&state, quiet);
    fill(&mut state, noisy, 5000);
    assert_eq!(held(&state, quiet), before);
    assert!(state.held_bytes() <= 1_000_000);
    assert!(held(&state, noisy) > 300_000);
}

#[test]
fn the_largest_gives_way_to_those_with_less_than_their_share() {
    let mut state = start_with_a_megabyte();
    let large = start(&mut state, "large");
    fill(&mut state, large, 2000);
    assert!(held(&state, large) > 800_000);
    for number in 0..9 {
        let small = start(&mut state, &number.to_string());
        fill(&mut state, small, 90);
        assert!(held(&state, small) > 80_000);
    }
    assert!(state.held_bytes() <= 1_000_000);
}

#[test]
fn one_event_larger_than_everything_is_not_held() {
    let mut state = state(HubOptions {
        max_total_bytes: 500,
        ..HubOptions::default()
    });
    let key = start(&mut state, "a");
    fill(&mut state, key, 3);
    assert_eq!((held(&state, key), state.held_bytes()), (0, 0));
}

#[test]
fn a_full_server_takes_a_stream_only_in_the_place_of_an_ended_one() {
    let mut state = state(HubOptions {
        max_streams: 2,
        ..HubOptions::default()
    });
    let first = start(&mut state, "a");
    start(&mut state, "b");
    let refused = state.start_run("c", RunKind::Post, None, 0);
    assert!(matches!(refused, Err(Refusal::Limit(_))));
    state.end_run(first, EndReason::Done, None, 0);
    start(&mut state, "c");
    assert!(state.find("a").is_none() && state.find("c").is_some());
}

#[test]
fn who_does_not_stop_is_ended_and_what_ended_is_kept_for_a_time() {
    let mut state = state(HubOptions {
        ended_retention: Duration::from_secs(60),
        ..HubOptions::default()
    });
    let key = start(&mut state, "a");
    if let Some(stream) = state.stream_mut(key) {
        stream.stopping_since = Some(1000);
    }
    let is_ended = |state: &State| state.stream(key).map(crate::stream::Stream::is_ended);
    state.keep_house(7_999);
    assert_eq!(is_ended(&state), Some(false));
    state.keep_house(8_000);
    assert_eq!(is_ended(&state), Some(true));
    state.keep_house(67_999);
    assert_eq!(is_ended(&state), Some(true));
    state.keep_house(68_000);
    assert_eq!(is_ended(&state), None);
}
