//! Readers of a route, over sockets and on the portable path.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{ToHub, ToKernel, event_cost};
use jupyter_sse_codec::{EndReason, RunKind};
use jupyter_sse_hub::{Hub, Query};

use crate::client::{Client, body, many, single};
use crate::kernel::{Kernel, start_with_links};

const ROUTE: u32 = 1;

/// A kernel that generates for each of its readers.
struct Generators {
    kernel: Kernel,
    last_seq: u64,
    last_key: u32,
}

impl Generators {
    fn start(name: &str) -> (Hub, std::path::PathBuf, Self) {
        let (hub, path) = start_with_links(name);
        let kernel = Kernel::dial(&path, 1);
        let mut generators = Self {
            kernel,
            last_seq: 0,
            last_key: ROUTE,
        };
        let seq = generators.next_seq();
        let kernel = &mut generators.kernel;
        let opened = kernel.open(seq, ROUTE, RunKind::Route, "users/{id}", "{}");
        assert_eq!(opened, Ok(0));
        (hub, path, generators)
    }

    fn next_seq(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Opens the next visit that is begun. Returns its key and the credit of its reader.
    fn begin(&mut self) -> (u32, u64) {
        let visit = self.kernel.hear(|frame| match frame {
            ToKernel::Begin { key, visit, .. } => {
                assert_eq!(key, ROUTE);
                Some(visit)
            }
            _ => None,
        });
        self.last_key += 1;
        let (key, seq) = (self.last_key, self.next_seq());
        let options = format!(r#"{{"visit":{visit}}}"#);
        let kernel = &mut self.kernel;
        assert_eq!(
            kernel.open(seq, key, RunKind::Visit, "users/1", &options),
            Ok(1)
        );
        (key, self.hear_credit(key))
    }

    fn hear_credit(&mut self, of: u32) -> u64 {
        self.kernel.hear(|frame| match frame {
            ToKernel::Credit { key, bytes } if key == of => Some(bytes),
            _ => None,
        })
    }

    fn hear_stop(&mut self, of: u32) {
        self.kernel
            .hear(|frame| matches!(frame, ToKernel::Stop { key } if key == of).then_some(()));
    }

    fn send(&mut self, key: u32, text: &str) {
        let seq = self.next_seq();
        self.kernel.send(seq, key, text);
    }
}

/// One who waits for what its visit begins with.
fn waiting(name: &str) -> Query {
    Query {
        request: Some("{}".to_owned()),
        ..single(name, None)
    }
}

#[test]
fn a_reader_that_leaves_stops_its_own_run_within_milliseconds() {
    let (hub, _path, mut generators) = Generators::start("leaves");
    let stays = Client::attach(&hub, single("users/1", None));
    let (stays_key, _) = generators.begin();
    let leaves = Client::attach(&hub, single("users/1", None));
    let (leaves_key, _) = generators.begin();
    drop(leaves);
    generators.hear_stop(leaves_key);
    generators.send(stays_key, "1");
    let mut stays = stays;
    assert_eq!(stays.texts(1), ["1"]);
    assert_eq!(hub.metrics()["visits"], 1);
}

#[test]
fn a_reader_on_the_portable_path_that_leaves_stops_its_run() {
    let (hub, _path, mut generators) = Generators::start("leaves-portable");
    let id = hub.attach_portable(hub.subscribe(waiting("users/1")).unwrap(), Vec::new());
    let (key, _) = generators.begin();
    hub.detach_portable(id);
    generators.hear_stop(key);
}

#[test]
fn a_reader_that_is_never_attached_stops_its_run_and_is_not_counted() {
    let (hub, _path, mut generators) = Generators::start("forgotten");
    let subscription = hub.subscribe(waiting("users/1")).unwrap();
    let (key, _) = generators.begin();
    assert_eq!(hub.connections(None), 1);
    hub.forget(subscription);
    generators.hear_stop(key);
    assert_eq!(hub.connections(None), 0);
}

/// Sends what its reader wants until it has wanted nothing more for a while. Returns how many events that were.
fn send_all_wanted(generators: &mut Generators, key: u32, mut granted: u64, most: u64) -> u64 {
    let text = "x".repeat(1000);
    let cost = event_cost(0, 0, body(&text).len());
    let (mut sent, socket) = (0, generators.kernel.stream.try_clone().unwrap());
    let patience = |patience| socket.set_read_timeout(Some(patience)).unwrap();
    while sent < most {
        while sent * cost < granted && sent < most {
            generators.send(key, &text);
            sent += 1;
        }
        // A stopped reader grants no more: that this stays so takes a time.
        patience(Duration::from_millis(300));
        let more =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| generators.hear_credit(key)));
        patience(Duration::from_secs(10));
        match more {
            Ok(more) => granted = more,
            Err(_) => break,
        }
    }
    sent
}

#[test]
fn a_reader_that_stops_reading_stops_its_generator_and_gets_all_when_it_reads_again() {
    let (hub, _path, mut generators) = Generators::start("stops-reading");
    let mut reader = Client::attach(&hub, single("users/1", None));
    let (key, granted) = generators.begin();
    let most = 100_000;
    let sent = send_all_wanted(&mut generators, key, granted, most);
    // The window, what the socket holds, and what the hub has given it: some hundred kilobytes, whatever the generator has.
    assert!(sent < 3000, "{sent} events of a kilobyte in flight");
    let held = hub.metrics()["history_bytes"].as_u64().unwrap();
    assert!(held < 70_000, "{held}");
    let count = usize::try_from(sent).unwrap();
    assert_eq!(reader.texts(count).len(), count);
    assert!(generators.hear_credit(key) > granted);
}

#[test]
fn a_portable_reader_that_stops_reading_stops_its_generator_too() {
    let (hub, _path, mut generators) = Generators::start("portable-stops");
    let id = hub.attach_portable(hub.subscribe(waiting("users/1")).unwrap(), Vec::new());
    let (key, granted) = generators.begin();
    let text = "x".repeat(1000);
    let cost = event_cost(0, 0, body(&text).len());
    let count = granted / cost + 1;
    for _ in 0..count {
        generators.send(key, &text);
    }
    generators.kernel.hear_ack(generators.last_seq);
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut got = 0;
    while got == 0 {
        assert!(Instant::now() < deadline);
        got += hub.drain().iter().map(|it| it.bytes.len()).sum::<usize>();
    }
    // A piece that nobody has written yet is not paid for.
    assert!(hub.drain().is_empty());
    hub.drained(id);
    while got < count as usize * text.len() {
        assert!(Instant::now() < deadline);
        for piece in hub.drain() {
            got += piece.bytes.len();
            hub.drained(piece.id);
        }
    }
    hub.drain();
    assert!(generators.hear_credit(key) > granted);
}

#[test]
fn what_a_response_waits_for_is_told_as_soon_as_it_is_there() {
    let (hub, _path, mut generators) = Generators::start("begun");
    let subscription = hub.subscribe(waiting("users/1")).unwrap();
    let (key, _) = generators.begin();
    let head = r#"{"headers":{"x":"y"}}"#;
    let seq = generators.next_seq();
    generators.kernel.say(&ToHub::Head { seq, key, head });
    generators.send(key, "1");
    let deadline = Instant::now() + Duration::from_secs(10);
    let begun = loop {
        assert!(Instant::now() < deadline);
        if let Some(begun) = hub.take_begun().pop() {
            break begun;
        }
    };
    assert_eq!(begun.visit, subscription.visits()[0]);
    assert_eq!((begun.is_refused, begun.payload.as_str()), (false, head));
    // The event has waited for the reader.
    assert_eq!(Client::carry(&hub, subscription).texts(1), ["1"]);
}

#[test]
fn routes_are_read_by_the_links_door_and_refuse_there_in_the_stream() {
    let (hub, path, mut generators) = Generators::start("visit-door");
    let mut reader = Kernel::connect(&path);
    let query = r#"{"streams":["users/7"],"last_event_id":"5"}"#;
    reader.say(&ToHub::Subscribe { query });
    let request = generators.kernel.hear(|frame| match frame {
        ToKernel::Begin { request, .. } => Some(request.to_owned()),
        _ => None,
    });
    assert!(request.contains(r#""path_params":{"id":"7"}"#), "{request}");
    assert!(request.contains(r#""last_event_id":"5""#), "{request}");
    drop(reader);
    let mut reader = Kernel::connect(&path);
    reader.say(&ToHub::Subscribe {
        query: r#"{"streams":["users/8"]}"#,
    });
    let (key, _) = generators.begin();
    let error = r#"{"type":"HTTPError","message":"no","status":403}"#;
    let (seq, reason) = (generators.next_seq(), EndReason::Refused.as_u8());
    generators.kernel.say(&ToHub::End {
        seq,
        key,
        reason,
        error,
    });
    let status = reader.hear(|frame| match frame {
        ToKernel::Answer { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status, 200);
    let mut reader = rest_of(reader);
    let events = reader.read_until(|_| false);
    let end = events.iter().find(|it| it.event == "sse.end").unwrap();
    assert!(end.data.contains(r#""status":403"#), "{}", end.data);
    let mut unknown = Kernel::connect(&path);
    unknown.say(&ToHub::Subscribe {
        query: r#"{"streams":["rooms/1"]}"#,
    });
    let status = unknown.hear(|frame| match frame {
        ToKernel::Answer { status, .. } => Some(status),
        _ => None,
    });
    assert_eq!(status, 404);
    drop(hub);
}

/// What comes after the answer of a subscription.
fn rest_of(kernel: Kernel) -> Client {
    let stream: UnixStream = kernel.stream.try_clone().unwrap();
    let mut client = Client::over(stream);
    client.feed(&kernel.into_input());
    client
}

#[test]
fn who_waits_for_a_path_gets_a_run_when_its_route_is_there() {
    let (hub, _path, mut generators) = Generators::start("waits-route");
    let mut reader = Client::attach(&hub, many(&["rooms/1", "users/1"]));
    generators.begin();
    let (key, seq) = (50, generators.next_seq());
    let kernel = &mut generators.kernel;
    kernel
        .open(seq, key, RunKind::Route, "rooms/{id}", "{}")
        .unwrap();
    let visit = kernel.hear(|frame| match frame {
        ToKernel::Begin { key: 50, visit, .. } => Some(visit),
        _ => None,
    });
    let options = format!(r#"{{"visit":{visit}}}"#);
    let seq = generators.next_seq();
    let kernel = &mut generators.kernel;
    kernel
        .open(seq, 51, RunKind::Visit, "rooms/1", &options)
        .unwrap();
    generators.send(51, "here");
    reader.read_until(|events| events.iter().any(|it| it.event == "rooms/1:message"));
    // A path that is taken out of the set ends its run.
    let connection = reader.events[0].data.split('"').nth(3).unwrap().to_owned();
    hub.change(&connection, &[], &["rooms/1".to_owned()])
        .unwrap();
    generators.hear_stop(51);
    hub.change(&connection, &["users/2".to_owned()], &[])
        .unwrap();
    generators.begin();
}
