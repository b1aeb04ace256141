//! What the hub's thread costs: one link to one reader, and one link to many. Run it with
//! `cargo run --release -p jupyter-sse-hub --example throughput`. For a profile one case can be chosen:
//! `-- READERS EVENTS BURST PAUSE`, so many events in each burst, so many microseconds between two.
//!
//! The time is that of the hub's thread alone, as the system counts it: the machine may be busy with other things.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{ToHub, VERSION, encode_event};
use jupyter_sse_codec::{RunKind, encode_body};
use jupyter_sse_hub::{Hub, HubOptions, Query, Socket, Wants};

/// About what a dict of five numbers takes.
const DATA: &str = r#"{"time": 1763800000.123456, "cpu": 12.5, "memory": 48.25, "disk": 1048576, "network": 9007199254740991, "step": 123456}"#;

fn main() {
    println!("readers  events    events/s  deliveries/s  hub µs/event  hub ns/delivery");
    let words = std::env::args().skip(1);
    let chosen: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
    if let [readers, events, burst, pause] = chosen[..] {
        return measure(readers, events, burst, Duration::from_micros(pause as u64));
    }
    for (readers, events, burst, pause) in [
        (1, 2_000_000, 500, 0),
        (100, 100_000, 500, 0),
        (1000, 20_000, 500, 0),
        (1, 100_000, 1, 50),
        (1000, 300, 1, 20_000),
    ] {
        measure(readers, events, burst, Duration::from_micros(pause));
    }
}

/// Sends `events` in bursts, one frame of the wire each, to so many readers.
fn measure(readers: usize, events: usize, burst: usize, pause: Duration) {
    let path = std::env::temp_dir().join(format!("jsse-throughput-{}.sock", std::process::id()));
    let hub = Hub::start(HubOptions {
        link_path: Some(path.clone()),
        live_window_bytes: 1 << 30,
        ..HubOptions::default()
    })
    .unwrap();
    hub.publish("warm", &[]).unwrap();
    let mut link = dial(&path);
    while hub.stream("a").is_none() {
        thread::yield_now();
    }
    let sockets: Vec<UnixStream> = (0..readers).map(|_| attach(&hub)).collect();
    let before = (Instant::now(), hub_time());
    let reader = thread::spawn(move || read_all(sockets, events));
    let mut frames = Vec::new();
    let mut seq = 1;
    while seq <= events {
        frames.clear();
        for _ in 0..burst.min(events + 1 - seq) {
            seq += 1;
            encode_event(&mut frames, seq as u64, 1, b"", b"", |out| {
                encode_body(out, Some(DATA), None, None);
            });
        }
        link.write_all(&frames).unwrap();
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    reader.join().unwrap();
    let (took, cost) = (before.0.elapsed(), hub_time().saturating_sub(before.1));
    let deliveries = events * readers;
    println!(
        "{readers:7} {events:8} {:10.0} {:13.0} {:13.2} {:16.0}{}",
        events as f64 / took.as_secs_f64(),
        deliveries as f64 / took.as_secs_f64(),
        cost.as_secs_f64() * 1e6 / events as f64,
        cost.as_secs_f64() * 1e9 / deliveries as f64,
        if burst == 1 { "  (one at a time)" } else { "" },
    );
    hub.close(Duration::from_secs(1));
}

fn dial(path: &Path) -> UnixStream {
    let mut link = UnixStream::connect(path).unwrap();
    let mut frames = Vec::new();
    ToHub::Hello {
        version: VERSION,
        link: [1; 16],
        kernel: "k",
        label: "nb",
        pid: std::process::id(),
    }
    .encode(&mut frames);
    ToHub::Open {
        seq: 1,
        key: 1,
        request: 1,
        kind: RunKind::Run.as_u8(),
        stream: "a",
        options: "{}",
    }
    .encode(&mut frames);
    link.write_all(&frames).unwrap();
    // Receipts are thrown away.
    let mut receipts = link.try_clone().unwrap();
    thread::spawn(move || {
        let mut scratch = [0; 4096];
        while receipts.read(&mut scratch).is_ok_and(|count| count > 0) {}
    });
    link
}

fn attach(hub: &Hub) -> UnixStream {
    let query = Query {
        streams: vec!["a".to_owned()],
        wants: Wants {
            single: true,
            ..Wants::default()
        },
        ..Query::default()
    };
    let (near, far) = UnixStream::pair().unwrap();
    let socket = Socket::from_owned(near.into()).unwrap();
    hub.attach(hub.subscribe(query).unwrap(), socket, Vec::new());
    far
}

/// Reads from all until each has had the last event.
fn read_all(sockets: Vec<UnixStream>, events: usize) {
    let poll = mio::Poll::new().unwrap();
    let mut poll = poll;
    let mut sockets: Vec<mio::net::UnixStream> = sockets
        .into_iter()
        .map(|socket| {
            socket.set_nonblocking(true).unwrap();
            mio::net::UnixStream::from_std(socket)
        })
        .collect();
    for (at, socket) in sockets.iter_mut().enumerate() {
        let registry = poll.registry();
        registry
            .register(socket, mio::Token(at), mio::Interest::READABLE)
            .unwrap();
    }
    // Every event is a line of data; what else comes has none.
    let mut left = vec![events; sockets.len()];
    let mut unfinished = sockets.len();
    let mut buffer = vec![0; 256 << 10];
    let mut ready = mio::Events::with_capacity(1024);
    while unfinished > 0 {
        poll.poll(&mut ready, None).unwrap();
        for event in &ready {
            let at = event.token().0;
            while let Ok(count) = sockets[at].read(&mut buffer) {
                assert!(count > 0, "the hub closed a reader");
                let got = memchr::memchr_iter(b'{', &buffer[..count]).count();
                left[at] -= got;
                unfinished -= usize::from(got > 0 && left[at] == 0);
            }
        }
    }
}

/// What the hub's thread has used of a processor.
fn hub_time() -> Duration {
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
        if name.starts_with("jupyter_sse hub") {
            let schedule = std::fs::read_to_string(task.join("schedstat")).unwrap();
            let time = schedule.split_whitespace().next().unwrap();
            return Duration::from_nanos(time.parse().unwrap());
        }
    }
    Duration::ZERO
}
