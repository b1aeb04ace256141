//! The wire vectors that all three languages share, in all chunkings, and the encoder's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jupyter_sse_codec::{Decoder, Event, MAX_EVENT_BYTES, encode};
use serde::Deserialize;

#[derive(Deserialize)]
struct DecodingCase {
    name: String,
    bytes_hex: String,
    events: Vec<Expected>,
    retry: Option<u64>,
    #[serde(rename = "lastEventId")]
    last_event_id: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Expected {
    #[serde(rename = "type")]
    event: String,
    data: String,
    #[serde(rename = "lastEventId")]
    id: String,
}

#[derive(Deserialize)]
struct EncodingCase {
    name: String,
    fields: Fields,
    text: String,
}

#[derive(Deserialize)]
struct Fields {
    data: Option<String>,
    event: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
    comment: Option<String>,
}

fn decoding_cases() -> Vec<DecodingCase> {
    let standard: Vec<DecodingCase> =
        serde_json::from_str(include_str!("../../../tests/vectors/wire.json")).unwrap();
    let ours: Vec<DecodingCase> =
        serde_json::from_str(include_str!("../../../tests/vectors/decoding.json")).unwrap();
    standard.into_iter().chain(ours).collect()
}

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|start| u8::from_str_radix(&hex[start..start + 2], 16).unwrap())
        .collect()
}

fn assert_decodes<'a>(case: &DecodingCase, chunks: impl Iterator<Item = &'a [u8]>, how: &str) {
    let mut decoder = Decoder::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    for chunk in chunks {
        let take = |event: jupyter_sse_codec::DecodedEvent<'_>| {
            events.push(Expected {
                event: event.event.into(),
                data: event.data.into(),
                id: event.id.into(),
            });
        };
        decoder.feed(chunk, take).unwrap();
    }
    assert_eq!(events, case.events, "{}, {how}", case.name);
    assert_eq!(
        decoder.reconnection_time(),
        case.retry,
        "{}, {how}",
        case.name
    );
    if let Some(id) = &case.last_event_id {
        assert_eq!(decoder.last_event_id(), id, "{}, {how}", case.name);
    }
}

#[test]
fn every_vector_decodes_in_one_chunk_and_in_chunks_of_every_small_size() {
    for case in decoding_cases() {
        let bytes = bytes_of(&case.bytes_hex);
        assert_decodes(&case, std::iter::once(bytes.as_slice()), "whole");
        for size in 1..=8 {
            assert_decodes(&case, bytes.chunks(size), &format!("chunks of {size}"));
        }
    }
}

#[test]
fn every_vector_decodes_when_cut_at_any_one_place() {
    for case in decoding_cases() {
        let bytes = bytes_of(&case.bytes_hex);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_decodes(
                &case,
                [head, &[], tail].into_iter(),
                &format!("cut at {cut}"),
            );
        }
    }
}

#[test]
fn every_short_vector_decodes_when_cut_at_any_two_places() {
    for case in decoding_cases()
        .into_iter()
        .filter(|case| case.bytes_hex.len() < 400)
    {
        let bytes = bytes_of(&case.bytes_hex);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_decodes(
                    &case,
                    chunks.into_iter(),
                    &format!("cut at {first} and {second}"),
                );
            }
        }
    }
}

#[test]
fn every_encoding_vector_is_written_so() {
    let cases: Vec<EncodingCase> =
        serde_json::from_str(include_str!("../../../tests/vectors/encoding.json")).unwrap();
    for EncodingCase { name, fields, text } in cases {
        let Fields {
            data,
            event,
            id,
            retry,
            comment,
        } = fields;
        let mut block = Vec::new();
        encode(
            &Event {
                event,
                data,
                id,
                retry,
                comment,
            },
            MAX_EVENT_BYTES,
            &mut block,
        )
        .unwrap();
        assert_eq!(String::from_utf8(block).unwrap(), text, "{name}");
    }
}
