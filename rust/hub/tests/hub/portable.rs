//! The portable path: somebody else's loop writes what the hub gives it, piece by piece.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_codec::Decoder;

use crate::client::{many, publish, single, start};

/// How many events each of the readers is to get.
const EVENTS: usize = 2000;

#[test]
fn each_reader_gets_everything_one_piece_at_a_time() {
    let hub = start();
    publish(&hub, "a", &[]);
    let ids: Vec<u64> = (0..40)
        .map(|number| {
            let query = if number % 2 == 0 {
                single("a", None)
            } else {
                many(&["a"])
            };
            hub.attach_portable(hub.subscribe(query).unwrap(), Vec::new())
        })
        .collect();
    let mut got: HashMap<u64, Vec<u8>> = HashMap::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..EVENTS {
                publish(&hub, "a", &[&number.to_string()]);
            }
        });
        let last = format!("data: {}\n\n", EVENTS - 1);
        let is_last = |bytes: &Vec<u8>| {
            let text = String::from_utf8_lossy(bytes);
            text.contains(&last)
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        let (mut out, mut done) = (Vec::new(), HashSet::new());
        while done.len() < ids.len() {
            assert!(Instant::now() < deadline, "{} of {}", done.len(), ids.len());
            for piece in hub.drain() {
                assert!(!out.contains(&piece.id), "two pieces at once");
                assert!(!piece.closes);
                let bytes = got.entry(piece.id).or_default();
                bytes.extend_from_slice(&piece.bytes);
                if is_last(bytes) {
                    done.insert(piece.id);
                }
                out.push(piece.id);
            }
            // Some are quicker than others.
            let rest = out.split_off(out.len() - out.len() / 3);
            for id in std::mem::replace(&mut out, rest) {
                hub.drained(id);
                // Twice makes no difference.
                hub.drained(id);
            }
        }
    });
    for bytes in got.values() {
        let mut data = Vec::new();
        Decoder::new(1 << 20)
            .feed(bytes, |event| {
                if event.event.ends_with("message") {
                    data.push(event.data.parse::<usize>().unwrap());
                }
            })
            .unwrap();
        assert!(data.iter().copied().eq(0..EVENTS));
    }
}

#[test]
fn a_reader_that_is_gone_is_forgotten() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let ids: Vec<u64> = (0..10)
        .map(|_| hub.attach_portable(hub.subscribe(many(&["a"])).unwrap(), Vec::new()))
        .collect();
    for id in &ids {
        hub.detach_portable(*id);
        hub.detach_portable(*id);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while hub.connections(None) > 0 || !hub.drain().is_empty() {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
}
