//! What one subscriber does, or does not do, costs the others nothing.

use std::time::{Duration, Instant};

use jupyter_sse_hub::{Hub, HubOptions, Query, Wants};

use crate::client::{Client, many, publish, start};

fn start_with_pings(interval: Duration) -> Hub {
    Hub::start(HubOptions {
        ping_interval: interval,
        ..HubOptions::default()
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
