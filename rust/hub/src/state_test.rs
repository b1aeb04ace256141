//! The bounds of the whole server: who gives way to whom, and when.

use std::time::Duration;

use jupyter_sse_codec::{EndReason, Epoch, Position, RunKind};

use crate::control::{Gap, GapReason};
use crate::log::Incoming;
use crate::options::HubOptions;
use crate::start::{Resolved, Start, resolve, resolve_missing};
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

/// What a reader is told who comes back to `a` after this position.
fn gap_after(state: &State, position: &Position) -> Option<Gap> {
    let (start, epoch) = (Start::after(&position.to_string()), state.epoch());
    match state.find("a") {
        Some((_, stream)) => match resolve(stream, &start, epoch, state.seq()) {
            Resolved::From { gap, .. } => gap,
            Resolved::SeenEnd => None,
        },
        None => resolve_missing(&state.departed("a"), &start, epoch, state.seq()),
    }
}

#[test]
fn a_number_from_before_a_stream_was_forgotten_counts_nothing() {
    let mut options = HubOptions {
        live_window_bytes: 0,
        max_streams: 1,
        ..HubOptions::default()
    };
    options.history.events = 1;
    let mut state = state(options);
    for name in ["a", "b", "c", "d", "e", "f"] {
        let key = start(&mut state, name);
        fill(&mut state, key, 1);
        state.end_run(key, EndReason::Done, None, 0);
    }
    // A reader of several streams: it has all there is, of which `a` had one.
    let position = Position {
        epoch: *state.epoch(),
        seq: state.seq(),
        n: 1,
    };
    let key = start(&mut state, "a");
    fill(&mut state, key, 3);
    let gap = gap_after(&state, &position);
    assert_eq!(
        gap.map(|gap| (gap.reason, gap.count)),
        Some((GapReason::Evicted, None))
    );
    state.end_run(key, EndReason::Done, None, 0);
    start(&mut state, "g");
    let gap = gap_after(&state, &position);
    assert_eq!(
        gap.map(|gap| (gap.reason, gap.count)),
        Some((GapReason::Evicted, None))
    );
}

#[test]
fn what_is_missing_of_a_stream_that_is_gone_is_counted_for_who_knew_of_its_losses() {
    let mut state = state(HubOptions::default());
    let key = start(&mut state, "a");
    fill(&mut state, key, 1);
    let position = |state: &State, n| Position {
        epoch: *state.epoch(),
        seq: state.seq(),
        n,
    };
    let before = position(&state, 1);
    state.add_hole(key, 5);
    fill(&mut state, key, 1);
    let after = position(&state, 2);
    fill(&mut state, key, 3);
    state.end_run(key, EndReason::Done, None, 0);
    state.keep_house(u64::MAX);
    assert!(state.find("a").is_none());
    let count = |position| gap_after(&state, position).and_then(|gap| gap.count);
    assert!(gap_after(&state, &before).is_some());
    assert_eq!((count(&before), count(&after)), (None, Some(3)));
}
