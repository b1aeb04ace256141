//! What one idle subscriber takes of memory in the hub, as the allocator counts it. Run it with
//! `cargo run --release -p jupyter-sse-hub --example memory -- 10000`.
//!
//! The sockets are UDP, connected to one that nobody reads: each subscriber takes one descriptor here, not two, and the hub treats
//! them as any other.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    missing_docs
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jupyter_sse_hub::{Hub, HubOptions, Query, Socket, Wants};

/// The system's allocator, counting.
struct Counting;

static HELD: AtomicI64 = AtomicI64::new(0);
static PIECES: AtomicI64 = AtomicI64::new(0);

// SAFETY: everything is passed on to the system's allocator as it came.
#[allow(unsafe_code, reason = "an allocator is no other way")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as i64, Ordering::Relaxed);
        PIECES.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        PIECES.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let count: usize = words.get(1).map_or(10_000, |word| word.parse().unwrap());
    let hub = Hub::start(HubOptions::default()).unwrap();
    hub.publish("a", &[]).unwrap();
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A warm-up: what the first subscribers make the hub allocate for good is not theirs.
    attach(&hub, &sink, 100);
    let (held, pieces) = settled(&hub, 100);
    attach(&hub, &sink, count);
    let (held_now, pieces_now) = settled(&hub, 100 + count);
    println!(
        "{{\"subscribers\": {count}, \"bytes_per_subscriber\": {:.1}, \"allocations_per_subscriber\": {:.1}}}",
        (held_now - held) as f64 / count as f64,
        (pieces_now - pieces) as f64 / count as f64,
    );
    hub.close(Duration::from_secs(1));
}

fn attach(hub: &Hub, sink: &UdpSocket, count: usize) {
    for _ in 0..count {
        let query = Query {
            streams: vec!["a".to_owned()],
            wants: Wants {
                single: true,
                ..Wants::default()
            },
            ..Query::default()
        };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(sink.local_addr().unwrap()).unwrap();
        let socket = Socket::from_owned(socket.into()).unwrap();
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec();
        hub.attach(hub.subscribe(query).unwrap(), socket, head);
    }
}

/// What is held once the hub carries everybody and has nothing more to do.
fn settled(hub: &Hub, connections: usize) -> (i64, i64) {
    let mut last = -1;
    let begin = Instant::now();
    loop {
        // No condition says that nothing more will change: it has not for a while.
        thread::sleep(Duration::from_millis(300));
        let held = HELD.load(Ordering::Relaxed);
        let are_all_in = hub.connections(None) >= connections;
        if are_all_in && held == last || begin.elapsed() > Duration::from_secs(60) {
            return (held, PIECES.load(Ordering::Relaxed));
        }
        last = held;
    }
}
