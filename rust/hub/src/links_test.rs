//! What frames and the comings and goings of links do to the state: no sockets, no clock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jupyter_sse_codec::frame::{ToHub, ToKernel, split};
use jupyter_sse_codec::{EndReason, Epoch, RunKind};

use crate::options::HubOptions;
use crate::state::State;
use crate::stream::{End, LinkId, ProducerInfo, RunState};

const MAIN: LinkId = [1; 16];
const CHILD: LinkId = [2; 16];
const OTHER: LinkId = [3; 16];

fn state() -> State {
    State::new(HubOptions::default(), Epoch::from_random(1))
}

fn link_up(state: &mut State, id: LinkId, kernel: &str) -> Vec<u8> {
    state.link_up(
        id,
        ProducerInfo {
            kernel: kernel.to_owned(),
            label: "nb".to_owned(),
            pid: 7,
        },
    )
}

fn say(state: &mut State, id: LinkId, frame: &ToHub<'_>) -> Vec<u8> {
    let mut reply = Vec::new();
    state.link_frame(&id, frame, 1000, &mut reply);
    reply
}

fn open(state: &mut State, id: LinkId, key: u32, kind: RunKind, stream: &str) -> Vec<u8> {
    let frame = ToHub::Open {
        seq: 0,
        key,
        request: key,
        kind: kind.as_u8(),
        stream,
        options: "{}",
    };
    say(state, id, &frame)
}

fn event(key: u32, body: &[u8]) -> ToHub<'_> {
    ToHub::Event {
        seq: 0,
        key,
        event: b"",
        id: b"",
        body,
    }
}

/// The keys that the frames in `bytes` tell to stop.
fn stopped(mut bytes: &[u8]) -> Vec<u32> {
    let mut keys = Vec::new();
    while let Some((payload, used)) = split(bytes, 1 << 20).unwrap() {
        if let ToKernel::Stop { key } = ToKernel::decode(payload).unwrap() {
            keys.push(key);
        }
        bytes = &bytes[used..];
    }
    keys
}

fn state_of<'a>(state: &'a State, name: &str) -> &'a RunState {
    &state.find(name).unwrap().1.state
}

fn is_ended_as(state: &State, name: &str, expected: EndReason) -> bool {
    matches!(state_of(state, name), RunState::Ended(End { reason, .. }) if *reason == expected)
}

#[test]
fn what_a_child_process_sent_ends_with_its_kernel() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    link_up(&mut state, CHILD, "k");
    open(&mut state, CHILD, 1, RunKind::Send, "a");
    state.link_down(&CHILD);
    assert_eq!(*state_of(&state, "a"), RunState::Lost);
    state.link_gone(&CHILD, 1000);
    // Its kernel may go on with it.
    assert_eq!(*state_of(&state, "a"), RunState::Live);
    state.link_gone(&MAIN, 1000);
    assert!(is_ended_as(&state, "a", EndReason::Lost));
}

#[test]
fn a_run_that_several_kernels_send_ends_with_the_last() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    link_up(&mut state, OTHER, "else");
    open(&mut state, MAIN, 1, RunKind::Send, "a");
    open(&mut state, OTHER, 1, RunKind::Send, "a");
    state.link_gone(&MAIN, 1000);
    assert_eq!(*state_of(&state, "a"), RunState::Live);
    state.link_gone(&OTHER, 1000);
    assert!(is_ended_as(&state, "a", EndReason::Lost));
}

#[test]
fn a_generator_in_a_child_process_ends_with_it() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    link_up(&mut state, CHILD, "k");
    open(&mut state, CHILD, 1, RunKind::Run, "a");
    state.link_gone(&CHILD, 1000);
    assert!(is_ended_as(&state, "a", EndReason::Lost));
}

#[test]
fn who_goes_on_after_its_run_was_replaced_is_told_to_stop_once() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    link_up(&mut state, CHILD, "k");
    open(&mut state, MAIN, 7, RunKind::Run, "a");
    open(&mut state, CHILD, 1, RunKind::Run, "a");
    let reply = say(&mut state, MAIN, &event(7, b"data: late\n\n"));
    assert_eq!(stopped(&reply), [7]);
    let reply = say(&mut state, MAIN, &event(7, b"data: later\n\n"));
    assert!(reply.is_empty());
    assert_eq!(state.find("a").unwrap().1.log.next(), 1);
    // Its comings and goings are no matter of the new run.
    state.link_down(&MAIN);
    assert_eq!(*state_of(&state, "a"), RunState::Live);
    state.link_down(&CHILD);
    link_up(&mut state, MAIN, "k");
    assert_eq!(*state_of(&state, "a"), RunState::Lost);
}

#[test]
fn a_stop_that_a_broken_link_may_have_swallowed_is_said_again() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    open(&mut state, MAIN, 7, RunKind::Run, "a");
    state.end("a", 1000).unwrap();
    state.link_down(&MAIN);
    assert_eq!(stopped(&link_up(&mut state, MAIN, "k")), [7]);
}

#[test]
fn a_stop_while_the_link_is_down_reaches_the_producer_when_it_goes_on() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    open(&mut state, MAIN, 7, RunKind::Run, "a");
    state.link_down(&MAIN);
    state.end("a", 1000).unwrap();
    assert!(is_ended_as(&state, "a", EndReason::Stopped));
    assert!(stopped(&link_up(&mut state, MAIN, "k")).is_empty());
    let reply = say(&mut state, MAIN, &event(7, b"data: late\n\n"));
    assert_eq!(stopped(&reply), [7]);
}

#[test]
fn what_is_no_event_is_dropped_and_counted_as_lost() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    open(&mut state, MAIN, 7, RunKind::Run, "a");
    let large = [b"data: ".as_slice(), &vec![b'x'; 1 << 20], b"\n\n"].concat();
    for body in [
        b"data: 1\n\nevent: sse.end\n\n".as_slice(),
        b"id: 1\n\n",
        &large,
    ] {
        say(&mut state, MAIN, &event(7, body));
    }
    say(&mut state, MAIN, &event(7, b"data: 1\n\n"));
    let (_, stream) = state.find("a").unwrap();
    assert_eq!((stream.log.next(), stream.holes.up_to(1)), (2, Some(3)));
    assert_eq!(state.counters.refused, 3);
}

#[test]
fn options_that_are_too_long_are_refused() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    let options = format!("{{\"origin\": {:?}}}", "x".repeat(20_000));
    let frame = ToHub::Open {
        seq: 0,
        key: 1,
        request: 1,
        kind: 0,
        stream: "a",
        options: &options,
    };
    let reply = say(&mut state, MAIN, &frame);
    let (payload, _) = split(&reply, 1 << 20).unwrap().unwrap();
    assert!(
        matches!(ToKernel::decode(payload), Ok(ToKernel::Opened { error, .. }) if error.contains("limit"))
    );
    assert!(state.find("a").is_none());
}

#[test]
fn a_new_run_forgets_what_the_old_one_asked_for() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    let frame = ToHub::Open {
        seq: 0,
        key: 1,
        request: 1,
        kind: 0,
        stream: "a",
        options: r#"{"history": {"events": 3}, "ping_interval": 1.5}"#,
    };
    say(&mut state, MAIN, &frame);
    let (_, stream) = state.find("a").unwrap();
    assert_eq!(
        (stream.log.bounds().events, stream.ping_interval),
        (3, Some(1500))
    );
    open(&mut state, MAIN, 2, RunKind::Run, "a");
    let (_, stream) = state.find("a").unwrap();
    assert_eq!(
        (stream.log.bounds().events, stream.ping_interval),
        (10_000, None)
    );
}

#[test]
fn who_joins_a_posted_run_may_say_what_it_wants() {
    let mut state = state();
    state.publish("a", &[], 0).unwrap();
    link_up(&mut state, MAIN, "k");
    let frame = ToHub::Open {
        seq: 0,
        key: 1,
        request: 1,
        kind: RunKind::Send.as_u8(),
        stream: "a",
        options: r#"{"history": {"events": 3}, "ping_interval": 1.5}"#,
    };
    say(&mut state, MAIN, &frame);
    let (_, stream) = state.find("a").unwrap();
    assert_eq!(stream.run.kind, RunKind::Post);
    assert_eq!(
        (stream.log.bounds().events, stream.ping_interval),
        (3, Some(1500))
    );
}

#[test]
fn no_number_that_a_kernel_sends_is_too_large() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    let frame = ToHub::Open {
        seq: 0,
        key: 1,
        request: 1,
        kind: 0,
        stream: "a",
        options: r#"{"history": {"events": 18446744073709551615, "bytes": 18446744073709551615, "seconds": 1e19},
                     "ping_interval": 1e19}"#,
    };
    say(&mut state, MAIN, &frame);
    for _ in 0..2 {
        let lost = ToHub::Lost {
            seq: 0,
            key: 1,
            count: u64::MAX,
        };
        say(&mut state, MAIN, &lost);
    }
    say(&mut state, MAIN, &event(1, b"data: 1\n\n"));
    state.keep_house(u64::MAX - 1);
    assert_eq!(state.find("a").unwrap().1.log.next(), 2);
}

/// What was opened under a key: the run, or why not.
fn opened(mut bytes: &[u8]) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    while let Some((payload, used)) = split(bytes, 1 << 20).unwrap() {
        if let ToKernel::Opened { run, error, .. } = ToKernel::decode(payload).unwrap() {
            all.push((run, error.to_owned()));
        }
        bytes = &bytes[used..];
    }
    all
}

#[test]
fn a_link_that_was_taken_for_gone_is_not_heard_twice() {
    let mut state = state();
    let sent = |seq| ToHub::Event {
        seq,
        key: 7,
        event: b"",
        id: b"",
        body: b"data: 1\n\n",
    };
    link_up(&mut state, MAIN, "k");
    open(&mut state, MAIN, 7, RunKind::Run, "a");
    say(&mut state, MAIN, &sent(1));
    state.link_gone(&MAIN, 1000);
    let welcome = link_up(&mut state, MAIN, "k");
    let (payload, _) = split(&welcome, 1 << 20).unwrap().unwrap();
    let expected = (false, 1);
    assert!(
        matches!(ToKernel::decode(payload), Ok(ToKernel::Welcome { known, last_seq, .. }) if (known, last_seq) == expected)
    );
    open(&mut state, MAIN, 7, RunKind::Run, "a");
    say(&mut state, MAIN, &sent(1));
    say(&mut state, MAIN, &sent(2));
    assert_eq!(state.find("a").unwrap().1.log.next(), 3);
}

#[test]
fn a_key_that_was_refused_stays_refused_for_what_came_under_it_is_lost() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    link_up(&mut state, OTHER, "else");
    open(&mut state, MAIN, 1, RunKind::Run, "a");
    open(&mut state, OTHER, 5, RunKind::Run, "a");
    state.link_gone(&MAIN, 1000);
    for _ in 0..2 {
        // Whether its link broke or was given up: the answer may not have come.
        link_up(&mut state, OTHER, "else");
        let again = opened(&open(&mut state, OTHER, 5, RunKind::Run, "a"));
        assert!(again[0].1.contains("owned"), "{again:?}");
        let seq = ToHub::Lost {
            seq: 9,
            key: 5,
            count: 1,
        };
        say(&mut state, OTHER, &seq);
        state.link_gone(&OTHER, 1000);
    }
    link_up(&mut state, OTHER, "else");
    let other_key = opened(&open(&mut state, OTHER, 6, RunKind::Run, "a"));
    assert_eq!(other_key, [(2, String::new())]);
}

#[test]
fn a_key_stays_refused_also_where_nothing_of_the_sequence_came() {
    let mut state = state();
    link_up(&mut state, MAIN, "k");
    link_up(&mut state, OTHER, "else");
    open(&mut state, MAIN, 1, RunKind::Run, "a");
    open(&mut state, OTHER, 5, RunKind::Run, "a");
    state.link_gone(&OTHER, 1000);
    state.link_gone(&MAIN, 1000);
    link_up(&mut state, OTHER, "else");
    let again = opened(&open(&mut state, OTHER, 5, RunKind::Run, "a"));
    assert!(again[0].1.contains("owned"), "{again:?}");
}

#[test]
fn who_joins_with_a_shorter_history_leaves_no_more_than_the_live_window() {
    let options = HubOptions {
        live_window_bytes: 0,
        ..HubOptions::default()
    };
    let mut state = State::new(options, Epoch::from_random(1));
    link_up(&mut state, MAIN, "k");
    open(&mut state, MAIN, 1, RunKind::Send, "a");
    for _ in 0..9 {
        say(&mut state, MAIN, &event(1, b"data: 1\n\n"));
    }
    let frame = ToHub::Open {
        seq: 0,
        key: 2,
        request: 2,
        kind: RunKind::Send.as_u8(),
        stream: "a",
        options: r#"{"history": {"events": 3}}"#,
    };
    say(&mut state, MAIN, &frame);
    let (_, stream) = state.find("a").unwrap();
    assert_eq!((stream.log.first(), stream.log.history_first()), (7, 7));
    assert_eq!(state.held_bytes(), stream.log.bytes());
}
