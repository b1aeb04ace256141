//! Properties of encoder and decoder together: what is encoded comes back, within bounds, however it is cut.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jupyter_sse_codec::{
    DecodeError, Decoder, EncodeError, Event, Field, MAX_EVENT_BYTES, check_body_size,
    check_event_type, check_id, encode, encode_body, encode_json_body,
};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Decoded {
    event: String,
    data: String,
    id: String,
}

fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Decoded>, Decoder) {
    let mut decoder = Decoder::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    for chunk in chunks {
        let take = |event: jupyter_sse_codec::DecodedEvent<'_>| {
            events.push(Decoded {
                event: event.event.into(),
                data: event.data.into(),
                id: event.id.into(),
            });
        };
        decoder.feed(chunk, take).unwrap();
    }
    (events, decoder)
}

/// What readers must see of a sequence of events, by the standard's words rather than by our code.
fn expected(events: &[Event]) -> (Vec<Decoded>, String, Option<u64>) {
    let (mut id, mut retry, mut seen) = (String::new(), None, Vec::new());
    for event in events {
        id = event.id.clone().unwrap_or(id);
        retry = event.retry.or(retry);
        if let Some(data) = &event.data {
            let data = data.replace("\r\n", "\n").replace('\r', "\n");
            let event = event
                .event
                .clone()
                .filter(|event| !event.is_empty())
                .unwrap_or_else(|| "message".into());
            seen.push(Decoded {
                event,
                data,
                id: id.clone(),
            });
        }
    }
    (seen, id, retry)
}

/// Text that is rich in what could go wrong.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        prop::sample::select(vec![
            "\r", "\n", "\r\n", "\n\r", ":", " ", "data:", "id: ", "\0", "\u{feff}", "\u{2028}",
            "x"
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn one_line() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace(['\r', '\n'], "-"))
}

fn event() -> impl Strategy<Value = Event> {
    let id = one_line()
        .prop_map(|id| id.replace('\0', "0"))
        .prop_filter("short enough", |id| check_id(id).is_ok());
    let event = one_line().prop_filter("not reserved", |event| check_event_type(event).is_ok());
    (
        prop::option::of(event),
        prop::option::weighted(0.8, text()),
        prop::option::of(id),
        prop::option::of(0_u64..=1 << 53),
        prop::option::of(text()),
    )
        .prop_map(|(event, data, id, retry, comment)| Event {
            event,
            data,
            id,
            retry,
            comment,
        })
}

proptest! {
    #[test]
    fn encoded_events_come_back_in_every_chunking(
        events in prop::collection::vec(event(), 0..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut wire = Vec::new();
        for event in &events {
            encode(event, MAX_EVENT_BYTES, &mut wire).unwrap();
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.extend([0, wire.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|ends| &wire[ends[0]..ends[1]]).collect();
        let (seen, id, retry) = expected(&events);
        for (decoded, decoder) in [decode(chunks), decode(wire.chunks(1))] {
            prop_assert_eq!(&decoded, &seen);
            prop_assert_eq!(decoder.last_event_id(), &id);
            prop_assert_eq!(decoder.reconnection_time(), retry);
        }
    }

    #[test]
    fn any_bytes_decode_the_same_in_every_chunking(
        bytes in prop::collection::vec(prop::sample::select(b"\r\n: daetivnry05\xef\xbb\xbf\0\xe2\x82\xac".to_vec()), 0..80),
    ) {
        let (whole, whole_decoder) = decode([bytes.as_slice()]);
        for size in 1..4 {
            let (parts, decoder) = decode(bytes.chunks(size));
            prop_assert_eq!(&parts, &whole);
            prop_assert_eq!(decoder.last_event_id(), whole_decoder.last_event_id());
            prop_assert_eq!(decoder.reconnection_time(), whole_decoder.reconnection_time());
        }
    }

    #[test]
    fn a_body_of_exactly_the_limit_passes_and_one_byte_less_refuses(
        data in prop::option::of(text()), retry in prop::option::of(any::<u64>()), comment in prop::option::of(text()),
    ) {
        let mut body = Vec::new();
        encode_body(&mut body, data.as_deref(), retry, comment.as_deref());
        let check = |limit| check_body_size(data.as_ref().map(String::as_bytes), retry, comment.as_deref(), limit);
        prop_assert_eq!(check(body.len()), Ok(()));
        prop_assert_eq!(
            check(body.len() - 1),
            Err(EncodeError::TooLarge { bytes: body.len(), limit: body.len() - 1 })
        );
    }

    #[test]
    fn a_limit_gives_the_same_events_and_the_same_end_in_every_chunking(
        bytes in prop::collection::vec(prop::sample::select(b"\n:data:ev x".to_vec()), 0..120), limit in 0_usize..20,
    ) {
        let outcome = |size: usize| {
            let mut decoder = Decoder::new(limit);
            let mut events = Vec::new();
            let result = bytes
                .chunks(size)
                .try_for_each(|chunk| decoder.feed(chunk, |event| events.push(event.data.to_owned())));
            (events, result)
        };
        // A line that never ends is refused as soon as it is too long, whole or in parts.
        let (whole, whole_result) = outcome(bytes.len().max(1));
        for size in 1..5 {
            let (parts, result) = outcome(size);
            prop_assert_eq!(&parts, &whole);
            prop_assert_eq!(result, whole_result);
        }
    }
}

#[test]
fn json_keeps_its_line_breaks_outside_of_strings_harmless() {
    let mut body = Vec::new();
    encode_json_body(&mut body, b"{\"a\":\n1}", None, None);
    assert_eq!(decode([body.as_slice()]).0[0].data, "{\"a\":\n1}");
}

#[test]
fn fields_that_would_inject_others_are_refused() {
    for text in ["a\nb", "a\rb", "\n", "a\r\n"] {
        assert_eq!(
            check_event_type(text),
            Err(EncodeError::LineBreak(Field::Event))
        );
        assert_eq!(check_id(text), Err(EncodeError::LineBreak(Field::Id)));
    }
    assert_eq!(check_event_type("sse.gap"), Err(EncodeError::ReservedType));
    assert_eq!(check_event_type("sse"), Ok(()));
    assert_eq!(check_id("0123456789a-end-1"), Err(EncodeError::ReservedId));
    assert_eq!(check_id("0123456789a-1-1"), Ok(()));
}

#[test]
fn ids_that_no_header_carries_are_refused() {
    for id in [
        "a\0b", "\u{1}", "a\u{1f}", "\u{7f}b", "\t", " a", "a ", "a\t", " ",
    ] {
        assert_eq!(check_id(id), Err(EncodeError::NoHeader), "{id:?}");
    }
    for id in ["", "a b", "a\tb", "\u{85}", "\u{a0}a\u{a0}", "größe"] {
        assert_eq!(check_id(id), Ok(()), "{id:?}");
    }
}

#[test]
fn ids_and_types_are_bounded_in_bytes_of_utf8() {
    assert_eq!(check_id(&"é".repeat(64)), Ok(()));
    assert!(matches!(
        check_id(&"é".repeat(65)),
        Err(EncodeError::TooLong {
            bytes: 130,
            limit: 128,
            ..
        })
    ));
    assert_eq!(check_event_type(&"x".repeat(1024)), Ok(()));
    assert!(matches!(
        check_event_type(&"x".repeat(1025)),
        Err(EncodeError::TooLong { .. })
    ));
}

#[test]
fn a_refused_event_appends_nothing() {
    let mut wire = b"before".to_vec();
    let too_large = Event {
        data: Some("x".repeat(100)),
        ..Event::default()
    };
    assert_eq!(
        encode(&too_large, 99, &mut wire),
        Err(EncodeError::TooLarge {
            bytes: 108,
            limit: 99
        })
    );
    let injecting = Event {
        id: Some("a\nb".into()),
        ..Event::default()
    };
    assert!(encode(&injecting, 99, &mut wire).is_err());
    assert_eq!(wire, b"before");
}

#[test]
fn data_of_the_limit_is_decoded_and_longer_data_is_an_error_that_stays() {
    let feed = |decoder: &mut Decoder, wire: &str| {
        let mut bytes = 0;
        let result = decoder.feed(wire.as_bytes(), |event| bytes += event.data.len());
        (bytes, result)
    };
    let mut decoder = Decoder::new(10);
    assert_eq!(
        feed(&mut decoder, "data: 1234\ndata: 67890\n\n"),
        (10, Ok(()))
    );
    let refused = Err(DecodeError::TooLarge { limit: 10 });
    assert_eq!(
        feed(
            &mut decoder,
            "id: 3\ndata: x\n\ndata: 1234\ndata: 678901\n\ndata: y\n\n"
        ),
        (1, refused)
    );
    assert_eq!(feed(&mut decoder, "data: z\n\n"), (0, refused));
    decoder.reset();
    assert_eq!(feed(&mut decoder, "data: z\n\n"), (1, Ok(())));
    assert_eq!(decoder.last_event_id(), "3");
}

#[test]
fn every_field_that_is_kept_is_bounded() {
    for field in ["data: ", "id: ", "event: ", "unknown: ", ""] {
        let mut decoder = Decoder::new(1000);
        decoder.feed(field.as_bytes(), |_| {}).unwrap();
        let result = (0..1010).try_for_each(|_| decoder.feed(b"x", |_| {}));
        assert_eq!(
            result,
            Err(DecodeError::TooLarge { limit: 1000 }),
            "{field}"
        );
    }
}

#[test]
fn a_comment_of_any_length_costs_no_memory_and_is_no_error() {
    let mut decoder = Decoder::new(10);
    decoder.feed(b": ", |_| {}).unwrap();
    for _ in 0..1000 {
        decoder.feed(&[b'x'; 1000], |_| {}).unwrap();
    }
    let mut seen = Vec::new();
    decoder
        .feed(b"\ndata: a\n\n", |event| seen.push(event.data.to_owned()))
        .unwrap();
    decoder
        .feed(
            [b": ".as_slice(), &[b'x'; 1000], b"\ndata: b\n\n"]
                .concat()
                .as_slice(),
            |event| {
                seen.push(event.data.to_owned());
            },
        )
        .unwrap();
    assert_eq!(seen, ["a", "b"]);
}

#[test]
fn an_event_of_a_mebibyte_in_single_bytes_costs_what_its_bytes_cost() {
    // Were the line searched again from its start with each chunk, this would take hours.
    let data = "x".repeat(MAX_EVENT_BYTES);
    let wire = format!("data: {data}\n\n");
    let (events, _) = decode(wire.as_bytes().chunks(1));
    assert_eq!(events[0].data, data);
}

#[test]
fn reset_starts_a_new_connection_that_keeps_the_cursor() {
    let mut decoder = Decoder::new(100);
    decoder
        .feed(
            b"retry: 5\nid: 1\ndata: a\n\nid: 2\nevent: x\ndata: lost\r",
            |_| {},
        )
        .unwrap();
    decoder.reset();
    let mut seen = Vec::new();
    decoder
        .feed(b"\xef\xbb\xbfdata: b\n\n", |event| {
            seen.push(format!("{event:?}"));
        })
        .unwrap();
    assert_eq!(
        seen,
        [r#"DecodedEvent { event: "message", data: "b", id: "1", is_own_id: false, line: 1 }"#]
    );
    assert_eq!(decoder.reconnection_time(), Some(5));
}

#[test]
fn a_reconnection_time_beyond_64_bits_is_the_largest() {
    let mut decoder = Decoder::new(100);
    decoder
        .feed(b"retry: 99999999999999999999999999\n", |_| {})
        .unwrap();
    assert_eq!(decoder.reconnection_time(), Some(u64::MAX));
}

#[test]
fn an_event_says_where_its_block_begins_and_whether_its_id_is_its_own() {
    let wire = b"\xef\xbb\xbfdata: a\r\nid: 1\r\n\r\n: comment\rdata: b\r\r\n\n\n\ndata\nid\n\n";
    for size in 1..wire.len() {
        let mut decoder = Decoder::new(MAX_EVENT_BYTES);
        let mut seen = Vec::new();
        for chunk in wire.chunks(size) {
            let take = |event: jupyter_sse_codec::DecodedEvent<'_>| {
                seen.push((event.line, event.is_own_id));
            };
            decoder.feed(chunk, take).unwrap();
        }
        assert_eq!(seen, [(1, true), (4, false), (10, true)], "{size}");
        assert_eq!(decoder.block_line(), 13);
    }
}

#[test]
fn an_event_that_is_too_large_says_where_it_begins() {
    let mut decoder = Decoder::new(10);
    let fed = decoder.feed(b"data: a\n\ndata: 12345\ndata: 123456\n\n", |_| {});
    assert!(fed.is_err());
    assert_eq!(decoder.block_line(), 3);
}
