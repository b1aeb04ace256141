//! Streams that come after their readers, go, and come back.

use std::time::Duration;

use jupyter_sse_hub::{HistoryBounds, Hub, HubOptions, Query, Wants};
use serde_json::Value;

use crate::client::{Client, many, options, publish, single, start};

fn waiting(name: &str) -> Query {
    Query {
        wait: true,
        ..single(name, None)
    }
}

fn texts(count: std::ops::Range<u64>) -> Vec<String> {
    count.map(|number| number.to_string()).collect()
}

fn publish_texts(hub: &Hub, name: &str, texts: &[String]) -> Vec<String> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    publish(hub, name, &texts)
}

/// The sum of what a reader was told it lost.
fn lost(client: &Client) -> u64 {
    client
        .events
        .iter()
        .filter(|event| event.event == "sse.gap")
        .map(|event| serde_json::from_str::<Value>(&event.data).unwrap())
        .map(|gap| gap["lost"]["count"].as_u64().expect("an exact count"))
        .sum()
}

fn start_with_one_stream() -> Hub {
    Hub::start(HubOptions {
        max_streams: 1,
        ..options()
    })
    .unwrap()
}

#[test]
fn a_stream_that_comes_before_its_reader_is_carried_is_found() {
    let hub = start();
    let single = hub.subscribe(waiting("a")).unwrap();
    let together = hub.subscribe(many(&["a"])).unwrap();
    publish(&hub, "a", &["1"]);
    // The hub has dealt with the new stream by the time that another reader has got its event.
    Client::one(&hub, "a").texts(1);
    assert_eq!(Client::carry(&hub, single).texts(1), ["1"]);
    Client::carry(&hub, together)
        .read_until(|events| events.iter().any(|event| event.event == "a:message"));
}

#[test]
fn who_waited_for_a_stream_gets_all_of_its_first_burst_or_is_told() {
    for wants in [
        single("a", None).wants,
        Wants {
            control: true,
            ..Wants::default()
        },
    ] {
        let hub = Hub::start(HubOptions {
            history: HistoryBounds {
                events: 10,
                bytes: 1 << 20,
                age: None,
            },
            ..options()
        })
        .unwrap();
        let is_single = wants.single;
        let query = Query {
            streams: vec!["a@latest".to_owned()],
            wait: true,
            wants,
            ..Query::default()
        };
        let mut client = Client::attach(&hub, query);
        publish_texts(&hub, "a", &texts(0..1000));
        publish(&hub, "a", &["last"]);
        let name = if is_single { "message" } else { "a:message" };
        client.read_until(|events| events.iter().any(|event| event.data == "last"));
        let got = client.events.iter().filter(|it| it.event == name).count();
        assert_eq!(got as u64 + lost(&client), 1001);
    }
}

#[test]
fn a_name_that_comes_back_counts_what_its_old_readers_missed() {
    let hub = start_with_one_stream();
    let positions = publish_texts(&hub, "a", &texts(0..5));
    hub.end("a").unwrap();
    let mut first = Client::one(&hub, "a");
    let end = first.read_until(|_| false).last().unwrap().id.clone();
    publish(&hub, "b", &["takes the room of a"]);
    hub.end("b").unwrap();
    publish(&hub, "a", &["new"]);
    let mut client = Client::attach(&hub, single("a", Some(&positions[1])));
    assert_eq!(client.texts(1), ["new"]);
    assert_eq!(client.events[0].event, "sse.gap");
    assert_eq!(lost(&client), 3);
    // Who has seen the old end has not seen the new one.
    hub.end("a").unwrap();
    let mut returned = Client::attach(&hub, single("a", Some(&end)));
    returned.read_until(|_| false);
    assert_eq!(returned.texts(1), ["new"]);
}

#[test]
fn who_reads_many_streams_sees_one_go_and_come_back() {
    let hub = start_with_one_stream();
    publish_texts(&hub, "a", &texts(0..5));
    let mut client = Client::attach(&hub, many(&["a"]));
    client.read_until(|events| events.iter().any(|event| event.event == "sse.ready"));
    hub.end("a").unwrap();
    publish(&hub, "b", &["takes the room of a"]);
    client.read_until(|events| {
        events
            .iter()
            .any(|event| event.event == "sse.end" && event.data.contains("404"))
    });
    hub.end("b").unwrap();
    publish(&hub, "a", &["new"]);
    client.read_until(|events| events.iter().any(|event| event.data == "new"));
    assert_eq!(lost(&client), 0);
}

#[test]
fn one_connection_has_a_bound_on_its_streams() {
    let hub = start();
    let names: Vec<String> = (0..1001).map(|number| format!("s{number}")).collect();
    let targets: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut client = Client::attach(&hub, many(&targets));
    client
        .stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let events = client.read_until(|events| events.iter().any(|event| event.data.contains("429")));
    assert!(events.iter().any(|event| event.data.contains("\"s1000\"")));
}
