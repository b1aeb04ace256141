//! Whether bytes that came over a link are the parts of one event. The hub writes them to its readers as they are, so a kernel that
//! sends others could speak in the hub's name, end an event early, or break what every reader after it decodes.

use jupyter_sse_codec::{check_event_type, check_id};
use memchr::{memchr, memchr_iter};

use crate::log::Incoming;

/// What the lines of a body begin with.
const LABELS: [&[u8]; 3] = [b"data: ", b": ", b"retry: "];

/// Whether the type, the id and the body are such as `codec::encoder` writes them.
pub(crate) fn is_one_event(incoming: &Incoming<'_>) -> bool {
    is_text(incoming.event, |text| check_event_type(text).is_ok())
        && is_text(incoming.id, |text| check_id(text).is_ok())
        && is_body(incoming.body)
}

fn is_text(bytes: &[u8], is_allowed: impl FnOnce(&str) -> bool) -> bool {
    // The usual event has neither a type nor an id.
    bytes.is_empty() || std::str::from_utf8(bytes).is_ok_and(is_allowed)
}

/// Lines with one of the three labels, then the blank one that ends the block, and nothing after it.
fn is_body(body: &[u8]) -> bool {
    let Some(lines) = body.strip_suffix(b"\n") else {
        return false;
    };
    let mut start = 0;
    for end in memchr_iter(b'\n', lines) {
        let line = &lines[start..end];
        if !LABELS.iter().any(|label| line.starts_with(label)) {
            return false;
        }
        start = end + 1;
    }
    start == lines.len() && memchr(b'\r', lines).is_none() && std::str::from_utf8(lines).is_ok()
}

#[cfg(test)]
mod tests {
    use jupyter_sse_codec::encode_body;
    use proptest::prelude::*;

    use super::{Incoming, is_one_event};

    fn is_sound(event: &[u8], id: &[u8], body: &[u8]) -> bool {
        is_one_event(&Incoming { event, id, body })
    }

    proptest! {
        #[test]
        fn what_the_encoder_writes_is_one_event(
            data in proptest::option::of("(?s).{0,40}"),
            comment in proptest::option::of("(?s).{0,20}"),
            retry in proptest::option::of(any::<u64>()),
        ) {
            let mut body = Vec::new();
            encode_body(&mut body, data.as_deref(), retry, comment.as_deref());
            prop_assert!(is_sound(b"tick", b"7", &body));
        }
    }

    #[test]
    fn what_could_speak_in_the_hubs_name_is_none() {
        let bodies: [&[u8]; 14] = [
            b"",
            b"data: x",
            b"data: x\n",
            b"data: x\n\n\n",
            b"\n\n",
            b"data: x\n\nevent: sse.end\ndata: {}\n\n",
            b"event: sse.end\n\n",
            b"id: 1\n\n",
            b"data: x\rid: 1\n\n",
            b"data:x\n\n",
            b"data\n\n",
            b"data: \xff\n\n",
            b"\ndata: x\n\n",
            b"x\n\n",
        ];
        for body in bodies {
            assert!(!is_sound(b"", b"", body), "{:?}", body.escape_ascii());
        }
        let end_id = b"0123456789a-end-1";
        let heads: [(&[u8], &[u8]); 8] = [
            (b"a\nb", b""),
            (b"a\rb", b""),
            (b"sse.end", b""),
            (b"\xff", b""),
            (b"", b"1\n2"),
            (b"", b"1\x002"),
            (b"", b"\xff"),
            (b"", end_id),
        ];
        for (event, id) in heads {
            assert!(!is_sound(event, id, b"data: x\n\n"));
        }
        assert!(!is_sound(&[b'x'; 2000], b"", b"data: x\n\n"));
        assert!(!is_sound(b"", &[b'x'; 200], b"data: x\n\n"));
    }

    #[test]
    fn an_event_may_be_empty() {
        assert!(is_sound(b"", b"", b"\n"));
    }
}
