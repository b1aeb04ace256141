//! The codec: what is decoded does not depend on how it was cut, what is encoded is decoded, and a frame reads as it was written.

use jupyter_sse_codec::frame::{FrameError, ToHub, ToKernel, split};
use jupyter_sse_codec::{DecodeError, Decoder, Event, encode};

use super::Choices;
use crate::block::is_one_event;
use crate::log::Incoming;

/// The limit of small decoders, which large input reaches.
const SMALL_LIMIT: usize = 64;

/// All that a decoder tells.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    events: Vec<(String, String, String)>,
    last_id: String,
    retry: Option<u64>,
    outcome: Result<(), DecodeError>,
}

fn decode<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    let mut outcome = Ok(());
    for chunk in chunks {
        outcome = decoder.feed(chunk, |event| {
            events.push((event.event.into(), event.data.into(), event.id.into()));
        });
        if outcome.is_err() {
            break;
        }
    }
    Told {
        events,
        last_id: decoder.last_event_id().to_owned(),
        retry: decoder.reconnection_time(),
        outcome,
    }
}

/// However a stream is cut, the same comes out.
pub fn decoder(data: &[u8]) {
    let mut choices = Choices(data);
    let limit = if choices.below(2) == 0 {
        SMALL_LIMIT
    } else {
        1 << 20
    };
    let cuts = choices.bytes(4).to_vec();
    let stream = choices.0;
    let whole = decode(limit, [stream]);
    for (_, data, _) in &whole.events {
        // U+FFFD takes three bytes for one that is no UTF-8.
        assert!(data.len() <= 3 * limit);
    }
    assert_eq!(decode(limit, stream.chunks(1)), whole);
    let mut rest = stream;
    let mut chunks = Vec::new();
    for cut in cuts.iter().cycle().take(stream.len()) {
        let (chunk, after) = rest.split_at(usize::from(*cut % 16).min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks.push(rest);
    assert_eq!(decode(limit, chunks), whole);
}

/// What can be encoded is decoded as it was, and the hub takes it for one event.
pub fn encoder(data: &[u8]) {
    let mut choices = Choices(data);
    let has = choices.byte();
    let mut field = |bit: u8| (has & bit != 0).then(|| choices.text());
    let (kind, id, data, comment) = (field(1), field(2), field(4), field(8));
    let retry = (has & 16 != 0).then(|| choices.number());
    let event = Event {
        event: kind.clone(),
        data: data.clone(),
        id: id.clone(),
        retry,
        comment,
    };
    let mut bytes = Vec::new();
    if encode(&event, 1 << 20, &mut bytes).is_err() {
        assert!(bytes.is_empty(), "an error that leaves half an event");
        return;
    }
    let told = decode(1 << 20, [bytes.as_slice()]);
    assert_eq!((told.outcome, told.retry), (Ok(()), retry));
    assert_eq!(told.last_id, id.clone().unwrap_or_default());
    let expected = data.map(|data| {
        let kind = kind.filter(|kind| !kind.is_empty());
        let lines = data.replace("\r\n", "\n").replace('\r', "\n");
        (
            kind.unwrap_or_else(|| "message".to_owned()),
            lines,
            id.unwrap_or_default(),
        )
    });
    assert_eq!(told.events, Vec::from_iter(expected));
}

/// Bytes are frames, or none; a frame reads as it was written.
pub fn frames(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((payload, used))) = split(rest, 1 << 16) {
        assert!(used == payload.len() + 4 && !payload.is_empty());
        let mut again = Vec::new();
        match ToHub::decode(payload) {
            Ok(frame) => frame.encode(&mut again),
            Err(FrameError::TooLarge { .. }) => panic!("it was split"),
            Err(_) => match ToKernel::decode(payload) {
                Ok(frame) => frame.encode(&mut again),
                Err(_) => again.extend_from_slice(&rest[..used]),
            },
        }
        assert_eq!(again, &rest[..used]);
        rest = &rest[used..];
    }
}

/// What the hub takes for an event is one, wherever it stands in a stream.
pub fn blocks(data: &[u8]) {
    let mut choices = Choices(data);
    let (event, id) = (choices.some(), choices.some());
    let incoming = Incoming {
        event,
        id,
        body: choices.0,
    };
    if !is_one_event(&incoming) {
        return;
    }
    let mut stream = b"data: before\n\n".to_vec();
    for (label, value) in [(b"event: ".as_slice(), event), (b"id: ", id)] {
        if !value.is_empty() {
            stream.extend([label, value, b"\n"].concat());
        }
    }
    stream.extend_from_slice(incoming.body);
    stream.extend_from_slice(b"event: sse.end\ndata: after\n\n");
    let told = decode(1 << 20, [stream.as_slice()]);
    let [first, others @ .., last] = told.events.as_slice() else {
        panic!("an event that swallows its neighbours");
    };
    assert!(first.1 == "before" && last.0 == "sse.end" && last.1 == "after");
    assert!(others.len() <= 1 && others.iter().all(|it| !it.0.starts_with("sse.")));
    assert_eq!(told.last_id.as_bytes(), id);
}
