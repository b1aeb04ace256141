//! Bodies of POSTs, whole and wrong, however they are cut.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::{Body, BodyError, BodyErrorKind, Events, Format};

/// Type, id and body of an event.
type Event = (String, String, String);

/// The events of a body that comes in chunks of `size`, and how it ended.
fn read(format: Format, body: &[u8], size: usize) -> (Vec<Event>, Result<(), BodyError>) {
    let mut reader = Body::new(format, 1000);
    let mut events = Events::default();
    let mut read = Vec::new();
    let mut outcome = Ok(());
    for chunk in body.chunks(size).chain([&b""[..]]) {
        if outcome.is_ok() {
            outcome = if chunk.is_empty() {
                reader.finish(&mut events)
            } else {
                reader.feed(chunk, &mut events)
            };
        }
        for event in (0..events.len()).map(|index| events.get(index).unwrap()) {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            read.push((text(event.event), text(event.id), text(event.body)));
        }
        events.clear();
    }
    (read, outcome)
}

fn data(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(_, _, body)| body.trim_end()).collect()
}

#[test]
fn a_body_is_the_same_events_however_it_is_cut() {
    let lines = "{\"a\":1}\n\n  \r\n{\"data\":\"é\",\"id\":7}\r\n3".as_bytes();
    let stream = "\u{feff}: c\ndata: é\nid: 1\n\nevent: x\ndata: b\r\n\r\ndata: 😀".as_bytes();
    for size in 1..=stream.len() {
        let (events, outcome) = read(Format::JsonLines, lines, size);
        assert_eq!(outcome, Ok(()));
        assert_eq!(data(&events), ["data: {\"a\":1}", "data: é", "data: 3"]);
        assert_eq!(events[1].1, "7");
        let (events, outcome) = read(Format::EventStream, stream, size);
        assert_eq!(outcome, Ok(()));
        assert_eq!(data(&events), ["data: é", "data: b", "data: 😀"]);
        assert_eq!((&*events[0].1, &*events[1].0), ("1", "x"));
        let (events, outcome) = read(Format::Json, b" [1,\n 2] \n", size);
        assert_eq!((data(&events), outcome), (vec!["data: [1,2]"], Ok(())));
    }
}

/// A body, how many events come before its error, and the error: its kind, its line and what it says.
type Wrong<'a> = (String, usize, BodyErrorKind, u64, &'a str);

fn check(format: Format, wrong: &[Wrong<'_>]) {
    for (body, count, kind, line, said) in wrong {
        for size in [1, 2, 7, 100_000] {
            let (events, outcome) = read(format, body.as_bytes(), size);
            let error = outcome.unwrap_err();
            assert_eq!(
                (&events.len(), &error.kind, &error.line),
                (count, kind, line),
                "{error:?}"
            );
            assert!(error.message.contains(said), "{error:?}");
        }
    }
}

#[test]
fn what_came_before_a_wrong_line_is_read_and_the_error_says_which_it_is() {
    use BodyErrorKind::{Body, Field, TooLarge};
    let (long, huge) = ("x".repeat(1000), "x".repeat(20_000));
    let text = str::to_owned;
    let exact = "line 2: data: expected an event of at most 1000 bytes, got 1008 bytes";
    let lines = [
        (
            text("1\n\n{\n3"),
            1,
            Body,
            3,
            "line 3: expected one JSON value, got \"{\"",
        ),
        (text("1\n2\n{"), 2, Body, 3, "line 3"),
        (
            text("1\n{\"data\":1,\"event\":\"sse.x\"}\n"),
            1,
            Field,
            2,
            "line 2: event",
        ),
        (format!("1\n\"{long}\"\n"), 1, TooLarge, 2, exact),
        (format!("1\n{huge}"), 1, TooLarge, 2, "got more"),
        (format!("1\n{huge}\n"), 1, TooLarge, 2, "got more"),
    ];
    check(Format::JsonLines, &lines);
    let whole = [
        (huge, 0, TooLarge, 1, "data: expected"),
        (String::new(), 0, Body, 1, "expected one JSON value"),
    ];
    check(Format::Json, &whole);
}

#[test]
fn what_came_before_a_wrong_event_is_read_and_the_error_says_where_it_begins() {
    use BodyErrorKind::{Field, TooLarge};
    let (long, huge) = ("x".repeat(1000), "x".repeat(20_000));
    let reserved = "data: 1\n\ndata: 2\nid: a\0b\n\nevent: sse.end\ndata: 3\n\ndata: 4\n\n";
    let size = "at line 3: data: expected an event of at most 1000 bytes";
    let events = [
        (
            reserved.to_owned(),
            2,
            Field,
            6,
            "the event at line 6: event",
        ),
        (
            format!("data: 1\n\nid: {}\ndata\n\n", "i".repeat(200)),
            1,
            Field,
            3,
            "at line 3: id",
        ),
        (
            format!("data: 1\n\ndata: a\ndata: {long}\n\n"),
            1,
            TooLarge,
            3,
            size,
        ),
        (
            format!("data: 1\n\ndata: {huge}"),
            1,
            TooLarge,
            3,
            "at line 3",
        ),
    ];
    check(Format::EventStream, &events);
}

#[test]
fn what_is_no_utf8_is_refused_where_it_stands() {
    for body in [
        &b"data: a\n\ndata: \xff\n\n"[..],
        b"data: a\n\ndata: \xc3\n\n",
        b"data: a\n\ndata: \xf0\x9f",
    ] {
        for size in 1..body.len() {
            let (events, outcome) = read(Format::EventStream, body, size);
            let error = outcome.unwrap_err();
            assert_eq!((events.len(), error.line), (1, 3));
            assert!(error.message.contains("expected UTF-8"));
        }
    }
    let (events, outcome) = read(Format::JsonLines, b"1\n\"\xff\"\n", 4);
    assert_eq!((events.len(), outcome.unwrap_err().line), (1, 2));
}

#[test]
fn what_is_held_of_a_body_is_bounded_whatever_its_length() {
    for format in [Format::JsonLines, Format::EventStream] {
        let mut reader = Body::new(format, 1000);
        let mut events = Events::default();
        let line = format!("{}\n", " ".repeat(5000));
        let comment = format!(": {}\n", "x".repeat(5000));
        for _ in 0..1000 {
            let part = if format == Format::JsonLines {
                &line
            } else {
                &comment
            };
            reader.feed(part.as_bytes(), &mut events).unwrap();
        }
        assert!(reader.held.capacity() <= 10 * 1000 + super::FRAME_BYTES);
        assert_eq!(events.len(), 0);
    }
}

proptest! {
    #[test]
    fn no_body_can_hurt_and_every_cut_reads_the_same(
        body in proptest::collection::vec(prop_oneof![
            any::<u8>(),
            proptest::sample::select(b"\n\r:{}[]\"\\ud1 data:id".to_vec()),
        ], 0..60),
        size in 1_usize..20,
    ) {
        for format in [Format::Json, Format::JsonLines, Format::EventStream] {
            let whole = read(format, &body, 1000);
            prop_assert_eq!(&read(format, &body, size), &whole);
            for (event, id, body) in whole.0 {
                let incoming = crate::log::Incoming {
                    event: event.as_bytes(),
                    id: id.as_bytes(),
                    body: body.as_bytes(),
                };
                prop_assert!(crate::block::is_one_event(&incoming));
            }
        }
    }
}
