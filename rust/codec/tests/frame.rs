//! The link's frames: what goes in comes out, and hostile bytes are refused without a panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jupyter_sse_codec::frame::{FrameError, HEADER_BYTES, ToHub, ToKernel, VERSION, split};
use proptest::prelude::*;

const MAX: usize = 1 << 20;

fn to_hub() -> Vec<ToHub<'static>> {
    vec![
        ToHub::Hello {
            version: VERSION,
            link: [7; 16],
            kernel: "pid-1",
            label: "Übung.ipynb",
            pid: u32::MAX,
        },
        ToHub::Subscribe {
            query: r#"{"streams":["a@latest"]}"#,
        },
        ToHub::Open {
            seq: u64::MAX,
            key: 1,
            request: 2,
            kind: 1,
            stream: "a/b",
            options: "{}",
        },
        ToHub::Event {
            seq: 1,
            key: 2,
            event: b"status",
            id: b"x",
            body: b"data: 1\n\n",
        },
        ToHub::Event {
            seq: 1,
            key: 2,
            event: b"",
            id: b"",
            body: b"",
        },
        ToHub::Lost {
            seq: 3,
            key: 4,
            count: 5,
        },
        ToHub::End {
            seq: 6,
            key: 7,
            reason: 2,
            error: r#"{"type":"ValueError"}"#,
        },
        ToHub::Request {
            request: 8,
            body: r#"{"op":"list"}"#,
        },
        ToHub::Head {
            seq: 9,
            key: 10,
            head: r#"{"headers":{"x":"y"}}"#,
        },
    ]
}

fn to_kernel() -> Vec<ToKernel<'static>> {
    vec![
        ToKernel::Welcome {
            version: 1,
            epoch: "0123456789a",
            known: true,
            last_seq: 9,
            server: "{}",
        },
        ToKernel::Opened {
            request: 1,
            key: 2,
            run: 3,
            error: "",
        },
        ToKernel::Ack { seq: 4 },
        ToKernel::Stop { key: 5 },
        ToKernel::Answer {
            request: 6,
            status: 404,
            body: "{}",
        },
        ToKernel::Begin {
            key: 7,
            visit: u64::MAX,
            request: r#"{"path":"users/42"}"#,
        },
        ToKernel::Credit {
            key: 8,
            bytes: 65536,
        },
    ]
}

#[test]
fn frames_to_the_hub_come_back_one_after_the_other() {
    let mut wire = Vec::new();
    for frame in to_hub() {
        frame.encode(&mut wire);
    }
    let mut rest = wire.as_slice();
    for frame in to_hub() {
        let (payload, consumed) = split(rest, MAX).unwrap().unwrap();
        assert_eq!(ToHub::decode(payload), Ok(frame));
        rest = &rest[consumed..];
    }
    assert!(rest.is_empty());
}

#[test]
fn frames_to_the_kernel_come_back_one_after_the_other() {
    let mut wire = Vec::new();
    for frame in to_kernel() {
        frame.encode(&mut wire);
    }
    let mut rest = wire.as_slice();
    for frame in to_kernel() {
        let (payload, consumed) = split(rest, MAX).unwrap().unwrap();
        assert_eq!(ToKernel::decode(payload), Ok(frame));
        rest = &rest[consumed..];
    }
    assert!(rest.is_empty());
}

#[test]
fn a_frame_is_split_off_only_when_it_is_whole() {
    let mut wire = Vec::new();
    ToHub::Request {
        request: 1,
        body: "{}",
    }
    .encode(&mut wire);
    for end in 0..wire.len() {
        assert_eq!(split(&wire[..end], MAX), Ok(None), "{end} bytes");
    }
    assert_eq!(
        split(&wire, MAX),
        Ok(Some((&wire[HEADER_BYTES..], wire.len())))
    );
}

#[test]
fn a_cut_payload_is_truncated_and_a_longer_one_trailing() {
    for frame in to_hub()
        .into_iter()
        .filter(|frame| !matches!(frame, ToHub::Event { .. }))
    {
        let mut wire = Vec::new();
        frame.encode(&mut wire);
        let payload = &wire[HEADER_BYTES..];
        for end in 0..payload.len() {
            assert_eq!(
                ToHub::decode(&payload[..end]),
                Err(FrameError::Truncated),
                "{frame:?} cut at {end}"
            );
        }
        assert_eq!(
            ToHub::decode(&[payload, &[0]].concat()),
            Err(FrameError::Trailing),
            "{frame:?}"
        );
    }
    for frame in to_kernel() {
        let mut wire = Vec::new();
        frame.encode(&mut wire);
        let payload = &wire[HEADER_BYTES..];
        for end in 0..payload.len() {
            assert_eq!(
                ToKernel::decode(&payload[..end]),
                Err(FrameError::Truncated),
                "{frame:?} cut at {end}"
            );
        }
        assert_eq!(
            ToKernel::decode(&[payload, &[0]].concat()),
            Err(FrameError::Trailing),
            "{frame:?}"
        );
    }
}

#[test]
fn an_oversized_frame_is_refused_by_its_header_alone() {
    let header = u32::MAX.to_le_bytes();
    assert_eq!(
        split(&header, MAX),
        Err(FrameError::TooLarge {
            bytes: u32::MAX as usize,
            limit: MAX
        })
    );
    assert_eq!(split(&[0; HEADER_BYTES], MAX), Err(FrameError::Truncated));
}

#[test]
fn frames_of_the_other_direction_are_unknown() {
    assert_eq!(
        ToHub::decode(&[67, 0, 0, 0, 0, 0, 0, 0, 0]),
        Err(FrameError::UnknownKind(67))
    );
    assert_eq!(ToKernel::decode(&[4, 0]), Err(FrameError::UnknownKind(4)));
}

#[test]
fn text_that_is_not_utf8_is_malformed() {
    assert_eq!(
        ToHub::decode(&[2, 1, 0, 0, 0, 0xff]),
        Err(FrameError::Malformed)
    );
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..80) {
        let _ = split(&bytes, 64);
        let _ = (ToHub::decode(&bytes), ToKernel::decode(&bytes));
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        let _ = (ToHub::decode(&bytes), ToKernel::decode(&bytes));
    }

    #[test]
    fn events_of_any_content_come_back(
        seq: u64, key: u32,
        event in proptest::collection::vec(any::<u8>(), 0..300),
        id in proptest::collection::vec(any::<u8>(), 0..129),
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let frame = ToHub::Event { seq, key, event: &event, id: &id, body: &body };
        let mut wire = Vec::new();
        frame.encode(&mut wire);
        let (payload, consumed) = split(&wire, MAX).unwrap().unwrap();
        prop_assert_eq!(consumed, wire.len());
        prop_assert_eq!(ToHub::decode(payload), Ok(frame));
    }
}
