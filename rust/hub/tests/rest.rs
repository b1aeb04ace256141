//! A hub that has nothing to do does nothing. Alone in its process, so that the time of its thread can be told.
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
use jupyter_sse_hub::{Hub, HubOptions, Query};

use client::{Client, many, publish, single};
use kernel::Kernel;

/// What the hub's thread has used of a processor.
fn hub_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let times = tasks.filter_map(|task| {
        let task = task.unwrap().path();
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let schedule = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let time = schedule.split_whitespace().next()?.parse().ok()?;
        name.starts_with("jupyter_sse hub")
            .then_some(Duration::from_nanos(time))
    });
    times.sum()
}

#[test]
fn readers_that_take_nothing_and_links_that_are_down_cost_no_time() {
    let path = std::env::temp_dir().join(format!("jsse-rest-{}.sock", std::process::id()));
    let hub = Hub::start(HubOptions {
        link_path: Some(path.clone()),
        ping_interval: Duration::from_millis(100),
        ..HubOptions::default()
    })
    .unwrap();
    publish(&hub, "a", &[&"x".repeat(1 << 20)]);
    let waiting = Query {
        wait: true,
        ..single("never", None)
    };
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(Client::one(&hub, "a"));
        stalled.push(Client::attach(&hub, many(&["a", "never"])));
        stalled.push(Client::attach(&hub, waiting.clone()));
        hub.attach_portable(hub.subscribe(many(&["a"])).unwrap(), Vec::new());
    }
    let mut kernel = Kernel::dial(&path, 1);
    kernel.open(1, 1, RunKind::Run, "b", "{}").unwrap();
    drop(kernel);
    let mut witness = Client::attach(&hub, many(&["a"]));
    witness.read_until_pings(3);
    let before = (hub_time(), Instant::now());
    witness.read_until_pings(23);
    let (used, took) = (hub_time().saturating_sub(before.0), before.1.elapsed());
    // Two seconds with some forty keep-alives in each tenth of one; a loop that turns for nothing would use them up.
    assert!(used < took / 4, "{used:?} of {took:?}");
}
