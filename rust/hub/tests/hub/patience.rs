//! What one subscriber does, or does not do, costs the others nothing.

use std::io::Read;
use std::time::{Duration, Instant};

use jupyter_sse_hub::{Hub, HubOptions, Query, Wants};

use crate::client::{Client, many, options, publish, start, wait_until};

fn start_with_pings(interval: Duration) -> Hub {
    Hub::start(HubOptions {
        ping_interval: interval,
        ..options()
    })
    .unwrap()
}

fn single_with_control(name: &str) -> Query {
    Query {
        streams: vec![name.to_owned()],
        wants: Wants {
            single: true,
            control: true,
            ..Wants::default()
        },
        ..Query::default()
    }
}

fn pings(client: &Client) -> usize {
    client
        .events
        .iter()
        .filter(|event| event.event == "sse.ping")
        .count()
}

#[test]
fn a_reader_that_takes_nothing_past_its_keep_alive_stops_nobody() {
    let hub = start_with_pings(Duration::from_millis(60));
    publish(&hub, "a", &[&"x".repeat(1 << 20)]);
    let _stalled = [
        Client::one(&hub, "a"),
        Client::attach(&hub, many(&["a"])),
        Client::attach(&hub, single_with_control("a")),
    ];
    // Readers of another stream see that many of the stalled ones' keep-alives have come due.
    publish(&hub, "b", &["1"]);
    let mut other = Client::attach(&hub, many(&["b"]));
    other.read_until_pings(5);
    publish(&hub, "b", &["2"]);
    other.read_until(|events| events.iter().any(|event| event.data == "2"));
}

#[test]
fn a_portable_reader_that_is_not_drained_stops_nobody() {
    let hub = start_with_pings(Duration::from_millis(60));
    publish(&hub, "a", &["1"]);
    hub.attach_portable(hub.subscribe(many(&["a"])).unwrap(), Vec::new());
    let mut other = Client::attach(&hub, many(&["a"]));
    other.read_until_pings(5);
    publish(&hub, "a", &["2"]);
    other.read_until(|events| events.iter().any(|event| event.data == "2"));
    assert!(pings(&other) >= 5);
}

#[test]
fn thousands_who_come_and_leave_together_hold_nobody_up() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let before = Instant::now();
    let mut clients: Vec<Client> = (0..3000)
        .map(|_| Client::attach(&hub, single_with_control("a")))
        .collect();
    for client in &mut clients {
        client.read_until(|events| events.iter().any(|event| event.event == "sse.ready"));
    }
    // Each hears of the end, closes, and would have each other look at the new number of readers.
    hub.end("a").unwrap();
    for client in &mut clients {
        client.read_until(|_| false);
        assert_eq!(client.events.last().unwrap().event, "sse.end");
    }
    // Unoptimized and beside other tests this takes a second; with a look at all for each it took a minute, or the stack.
    let took = before.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(hub.connections(None), 0);
}

/// How long a reader may take nothing in these tests.
const STALL: Duration = Duration::from_millis(300);

fn start_with_stall_timeout() -> Hub {
    Hub::start(HubOptions {
        stall_timeout: Some(STALL),
        ..options()
    })
    .unwrap()
}

/// More than a socket takes without its reader.
fn publish_much(hub: &Hub) -> Vec<String> {
    let text = "x".repeat(10_000);
    publish(hub, "a", &vec![text.as_str(); 200])
}

#[test]
fn a_reader_that_takes_nothing_for_the_stall_timeout_is_closed_and_comes_back_with_its_cursor() {
    let hub = start_with_stall_timeout();
    publish(&hub, "a", &["first"]);
    let mut stalled = Client::one(&hub, "a");
    stalled.texts(1);
    let mut other = Client::one(&hub, "a");
    publish_much(&hub);
    other.texts(201);
    wait_until("the stalled reader is gone", || hub.connections(None) == 1);
    assert_eq!(hub.metrics()["stalled"], 1);
    let cursor = stalled.events[0].id.clone();
    let mut back = Client::attach(&hub, crate::client::single("a", Some(&cursor)));
    assert_eq!(back.texts(200).len(), 200);
    assert!(back.events.iter().all(|event| event.event == "message"));
}

#[test]
fn a_slow_reader_that_moves_is_never_closed() {
    let hub = start_with_stall_timeout();
    publish(&hub, "a", &[]);
    let mut slow = Client::one(&hub, "a");
    publish_much(&hub);
    let (before, mut taken) = (Instant::now(), 0);
    let mut few = [0; 8192];
    while before.elapsed() < 5 * STALL {
        taken += slow.stream.read(&mut few).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(taken < 1_800_000, "not slow: {taken}");
    assert_eq!(
        (hub.connections(None), &hub.metrics()["stalled"]),
        (1, &0.into())
    );
}

#[test]
fn a_quiet_reader_for_whom_nothing_waits_is_never_closed() {
    let hub = start_with_stall_timeout();
    publish(&hub, "a", &["1"]);
    let mut quiet = Client::one(&hub, "a");
    let portable = hub.attach_portable(hub.subscribe(many(&["a"])).unwrap(), Vec::new());
    wait_until("the portable reader has all", || {
        for piece in hub.drain() {
            hub.drained(piece.id);
        }
        hub.stream("a").unwrap()["subscribers"] == 2
    });
    std::thread::sleep(3 * STALL);
    assert!(hub.drain().iter().all(|piece| !piece.closes));
    assert_eq!(hub.connections(None), 2);
    publish(&hub, "a", &["2"]);
    assert_eq!(quiet.texts(2), ["1", "2"]);
    hub.detach_portable(portable);
}

#[test]
fn a_portable_reader_that_takes_nothing_is_closed_and_one_that_takes_some_is_not() {
    let hub = start_with_stall_timeout();
    publish(&hub, "a", &["1"]);
    let attach = || hub.attach_portable(hub.subscribe(many(&["a"])).unwrap(), Vec::new());
    let (stalled, slow) = (attach(), attach());
    let mut closed = Vec::new();
    let before = Instant::now();
    while before.elapsed() < 5 * STALL {
        // Both are given a piece; one takes a little of it now and then.
        let pieces = hub.drain();
        closed.extend(pieces.iter().filter(|it| it.closes).map(|it| it.id));
        hub.note_taken(slow);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(closed, [stalled]);
    assert_eq!(hub.metrics()["stalled"], 1);
    hub.detach_portable(stalled);
    wait_until("its slot is free", || hub.connections(None) == 1);
}
