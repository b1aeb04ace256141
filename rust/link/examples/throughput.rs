//! What `send` costs and what a link carries, against a server in the same process that reads and confirms.
//!
//! `cargo run --release -p jupyter-sse-link --example throughput`

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people"
)]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{self, ToHub, ToKernel, VERSION};
use jupyter_sse_codec::{RunKind, encode_json_body};
use jupyter_sse_link::{Link, LinkOptions, Sent};

const EVENTS: u32 = 1_000_000;
const ROUNDS: u32 = 5;

/// Reads whatever comes and confirms it once for each read, like the hub.
fn serve(mut socket: UnixStream) {
    let mut incoming = Vec::new();
    let mut scratch = vec![0; 256 * 1024];
    while let Ok(count @ 1..) = socket.read(&mut scratch) {
        incoming.extend_from_slice(&scratch[..count]);
        let (mut start, mut last_seq) = (0, 0);
        let mut outgoing = Vec::new();
        while let Some((payload, consumed)) = frame::split(&incoming[start..], usize::MAX).unwrap()
        {
            start += consumed;
            match ToHub::decode(payload).unwrap() {
                ToHub::Hello { .. } => {
                    ToKernel::Welcome {
                        version: VERSION,
                        epoch: "",
                        known: false,
                        last_seq: 0,
                        server: "",
                    }
                    .encode(&mut outgoing);
                }
                ToHub::Open {
                    seq, request, key, ..
                } => {
                    last_seq = seq;
                    ToKernel::Opened {
                        request,
                        key,
                        run: 1,
                        error: "",
                    }
                    .encode(&mut outgoing);
                }
                ToHub::Event { seq, .. } => last_seq = seq,
                _ => {}
            }
        }
        incoming.drain(..start);
        if last_seq > 0 {
            ToKernel::Ack { seq: last_seq }.encode(&mut outgoing);
        }
        if socket.write_all(&outgoing).is_err() {
            return;
        }
    }
}

fn main() {
    let path = std::env::temp_dir().join(format!("sse-throughput-{}", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || serve(listener.accept().unwrap().0));
    let link = Link::start(LinkOptions::new(&path, "kernel", "label")).unwrap();
    let key = link
        .open("a", RunKind::Run, "", Duration::from_secs(5))
        .unwrap()
        .key;
    let json = [b'7'; 100];
    for round in 1..=ROUNDS {
        let begin = Instant::now();
        for _ in 0..EVENTS {
            while let Sent::Full { bytes } = link
                .send(key, None, None, |out| {
                    encode_json_body(out, &json, None, None);
                })
                .unwrap()
            {
                link.wait_for_room(bytes, Duration::from_secs(1));
            }
        }
        let sent = begin.elapsed();
        assert!(link.flush(None));
        let received = begin.elapsed();
        println!(
            "round {round}: send {:4} ns an event, {:.1} million events/s from send to receipt",
            (sent / EVENTS).as_nanos(),
            f64::from(EVENTS) / received.as_secs_f64() / 1e6,
        );
    }
    let begin = Instant::now();
    for _ in 0..ROUNDS * 1000 {
        assert_eq!(
            link.send(key, None, None, |out| out.push(b'\n')),
            Ok(Sent::Queued)
        );
        assert!(link.flush(None));
    }
    println!(
        "one event and its receipt, from rest: {} µs",
        (begin.elapsed() / (ROUNDS * 1000)).as_micros()
    );
    link.close(Duration::from_secs(1));
    server.join().unwrap();
    let _ = std::fs::remove_file(path);
}
