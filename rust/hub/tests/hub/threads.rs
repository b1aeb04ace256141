//! Readers are spread over several threads, and nobody can tell.

use std::path::PathBuf;
use std::time::Duration;

use jupyter_sse_codec::RunKind;
use jupyter_sse_hub::{Hub, HubOptions, Query, Wants};

use crate::client::{Client, many, options, publish, single};
use crate::kernel::Kernel;

/// More readers than threads, so that each thread has some.
const READERS: usize = 7;

fn start() -> Hub {
    start_at(None)
}

fn start_at(link_path: Option<PathBuf>) -> Hub {
    Hub::start(HubOptions {
        link_path,
        reactor_threads: 3,
        ..options()
    })
    .unwrap()
}

fn with_control(name: &str) -> Query {
    Query {
        streams: vec![name.to_owned()],
        wants: Wants {
            control: true,
            ..Wants::default()
        },
        ..Query::default()
    }
}

fn readers(hub: &Hub, query: &Query) -> Vec<Client> {
    let readers = (0..READERS).map(|_| Client::attach(hub, query.clone()));
    readers.collect()
}

#[test]
fn readers_of_all_threads_get_everything_in_order() {
    let hub = start();
    publish(&hub, "a", &["0"]);
    let mut readers = readers(&hub, &single("a", None));
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for text in &texts[1..] {
        publish(&hub, "a", &[text]);
    }
    for reader in &mut readers {
        assert_eq!(reader.texts(100), texts);
    }
    hub.end("a").unwrap();
    for reader in &mut readers {
        reader.read_until(|_| false);
        assert_eq!(reader.events.last().unwrap().event, "sse.end");
    }
}

#[test]
fn readers_of_all_threads_find_streams_that_come_later() {
    let hub = start();
    let mut readers = readers(
        &hub,
        &Query {
            wait: true,
            ..single("later", None)
        },
    );
    publish(&hub, "later", &["1"]);
    for reader in &mut readers {
        assert_eq!(reader.texts(1), ["1"]);
    }
}

#[test]
fn the_number_of_subscribers_counts_all_threads_and_is_told_in_all() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut readers = readers(&hub, &with_control("a"));
    let count = format!("\"subscribers\":{READERS}");
    for reader in &mut readers {
        reader.read_until(|events| events.iter().any(|event| event.data.contains(&count)));
    }
    readers.truncate(1);
    readers[0].read_until(|events| {
        let last = events.iter().rfind(|event| event.event == "sse.state");
        last.is_some_and(|event| event.data.contains("\"subscribers\":1"))
    });
    assert_eq!(hub.stream("a").unwrap()["subscribers"], 1);
}

#[test]
fn a_connection_is_changed_and_seen_whichever_thread_has_it() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    publish(&hub, "b", &["2"]);
    for _ in 0..READERS {
        let subscription = hub.subscribe(many(&["a"])).unwrap();
        let name = subscription.connection.to_string();
        let mut reader = Client::carry(&hub, subscription);
        hub.change(&name, &["b".to_owned()], &["a".to_owned()])
            .unwrap();
        reader.read_until(|events| events.iter().any(|event| event.data == "2"));
        assert!(hub.readers(None).unwrap().contains(&name));
    }
}

#[test]
fn what_a_kernel_sends_reaches_the_readers_of_all_threads() {
    let path = std::env::temp_dir().join(format!("jsse-threads-{}.sock", std::process::id()));
    let hub = start_at(Some(path.clone()));
    let mut kernel = Kernel::dial(&path, 1);
    kernel.open(1, 1, RunKind::Run, "a", "{}").unwrap();
    let mut readers = readers(&hub, &single("a", None));
    for number in 0..20 {
        kernel.send(number + 2, 1, &number.to_string());
    }
    for reader in &mut readers {
        assert_eq!(reader.texts(20).len(), 20);
    }
}

#[test]
fn readers_of_all_threads_are_let_go_with_what_there_is_for_them() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut readers = readers(&hub, &single("a", None));
    publish(&hub, "a", &["2"]);
    hub.close(Duration::from_secs(5));
    for reader in &mut readers {
        assert_eq!(reader.texts(2), ["1", "2"]);
    }
}
