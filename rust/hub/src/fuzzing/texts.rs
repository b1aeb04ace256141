//! Texts from outside: names, cursors, queries. Any text has an answer, and one that is accepted means what it says.

use jupyter_sse_codec::frame::ToHub;
use jupyter_sse_codec::{Epoch, Position, RunKind, check_id, check_name, end_id, is_end_id};

use super::Choices;
use crate::clock::Now;
use crate::options::HubOptions;
use crate::query::{Query, local_subscription, subscribe};
use crate::start::Start;
use crate::state::State;
use crate::stream::ProducerInfo;
use crate::subscription::{Step, Subscription, Wants};

/// A hub with some events in two streams, the older of them gone.
fn state() -> State {
    let mut options = HubOptions::default();
    options.history.events = 3;
    options.live_window_bytes = 0;
    let mut state = State::new(options, Epoch::from_random(7));
    let producer = ProducerInfo {
        kernel: "k".to_owned(),
        label: "nb".to_owned(),
        pid: 1,
    };
    state.link_up([1; 16], producer);
    for (key, stream) in [(1, "a"), (2, "b")] {
        let frame = ToHub::Open {
            seq: 0,
            key,
            request: key,
            kind: RunKind::Run.as_u8(),
            stream,
            options: "{}",
        };
        state.link_frame(&[1; 16], &frame, 1, &mut Vec::new());
    }
    for number in 0..12_u8 {
        let id = [b'x', number];
        let frame = ToHub::Event {
            seq: 0,
            key: u32::from(number % 2) + 1,
            event: b"",
            id: if number % 3 == 0 { &id } else { b"" },
            body: b"data: 1\n\n",
        };
        state.link_frame(&[1; 16], &frame, 1, &mut Vec::new());
    }
    state
}

pub fn texts(data: &[u8]) {
    let mut choices = Choices(data);
    let is_single = choices.below(2) == 0;
    let text = String::from_utf8_lossy(choices.0).into_owned();
    check_forms(&text);
    let mut state = state();
    if let Ok(subscription) = local_subscription(&mut state, &text, 0) {
        read(&state, subscription);
    }
    let wants = Wants {
        single: is_single,
        control: true,
        ..Wants::default()
    };
    let (names, last) = text.split_once('\n').unwrap_or((&text, ""));
    let query = Query {
        request: None,
        streams: vec![format!("a@{names}")],
        last_event_id: Some(last.to_owned()),
        wait: true,
        wants,
        ..Query::default()
    };
    if let Ok(subscription) = subscribe(&mut state, query, 0) {
        read(&state, subscription);
    }
}

fn check_forms(text: &str) {
    if let Some(position) = Position::parse(text) {
        assert_eq!(position.to_string(), text);
    }
    if let Some(epoch) = Epoch::parse(text) {
        assert_eq!(epoch.to_string(), text);
    }
    if check_name(text).is_ok() {
        assert!(text.len() <= 200 && !text.contains("//") && !text.starts_with('/'));
        assert!(text.split('/').all(|part| !["", ".", ".."].contains(&part)));
    }
    if is_end_id(text) {
        assert!(check_id(text).is_err());
        let (epoch, number) = text.split_once("-end-").unwrap();
        let epoch = Epoch::parse(epoch).unwrap();
        if let Ok(number) = number.parse() {
            assert!(is_end_id(&end_id(epoch, number)));
        }
    }
    if let Start::Last(count) = Start::parse(text) {
        assert_eq!(text[1..].parse(), Ok(count));
    }
}

/// Reads everything; a cursor that is nonsense must not make it endless.
fn read(state: &State, mut subscription: Subscription) {
    let mut out = Vec::new();
    for _ in 0..100 {
        match subscription.step(state, Now::default(), 1 << 16, &mut out) {
            Step::Write | Step::Again => {}
            Step::Copy { most, .. } => subscription.advance(most, false),
            Step::Rest | Step::Close => return,
        }
    }
    panic!("a reader that never rests");
}
