//! The body of a POST: however it is cut, the same events come out, and each is one event.

use super::Choices;
use crate::block::is_one_event;
use crate::post_body::{Body, BodyError, Events, Format};

/// The limit for one event, which large input reaches.
const LIMIT: usize = 200;

type Told = (Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>, Result<(), BodyError>);

fn read<'a>(format: Format, chunks: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut body = Body::new(format, LIMIT);
    let mut events = Events::default();
    let mut outcome = Ok(());
    for chunk in chunks {
        outcome = body.feed(chunk, &mut events);
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = body.finish(&mut events);
    }
    let all = (0..events.len()).map(|at| {
        let event = events.get(at).expect("as many as it says");
        assert!(is_one_event(&event), "{event:?}");
        assert!(event.body.len() <= LIMIT, "{event:?}");
        (event.event.into(), event.id.into(), event.body.into())
    });
    (all.collect(), outcome)
}

pub fn posts(data: &[u8]) {
    let mut choices = Choices(data);
    let types = [
        "application/json",
        "application/x-ndjson",
        "text/event-stream",
    ];
    let format = Format::parse(types[choices.below(3)]).expect("a format of ours");
    let length = 1 + choices.below(32);
    let stream = choices.0;
    let whole = read(format, [stream]);
    assert_eq!(read(format, stream.chunks(length)), whole);
    assert_eq!(read(format, stream.chunks(1)), whole);
}
