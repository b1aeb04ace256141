//! What comes and goes leaves no descriptor behind. Alone in its process, so that it can count.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    dead_code
)]
#![cfg(target_os = "linux")]

#[path = "hub/client.rs"]
mod client;
#[path = "hub/kernel.rs"]
mod kernel;

use std::time::{Duration, Instant};

use jupyter_sse_codec::RunKind;

use client::{Client, many, publish, single};
use kernel::{Kernel, start_with_links};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn readers_and_links_that_are_gone_leave_no_descriptor() {
    let (hub, path) = start_with_links("descriptors");
    publish(&hub, "b", &["1"]);
    let mut kernel = Kernel::dial(&path, 1);
    kernel.open(1, 1, RunKind::Run, "a", "{}").unwrap();
    let before = descriptors();
    for round in 0..100 {
        drop(kernel);
        kernel = Kernel::dial(&path, 1);
        kernel.send(round + 2, 1, "x");
        kernel.hear_ack(round + 2);
        Client::attach(&hub, many(&["a", "b"])).read_until(|events| !events.is_empty());
        Client::attach(&hub, single("b", None)).texts(1);
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while descriptors() > before || hub.connections(None) > 0 {
        let now = descriptors();
        assert!(
            Instant::now() < deadline,
            "{before} descriptors became {now}"
        );
        std::thread::yield_now();
    }
}
