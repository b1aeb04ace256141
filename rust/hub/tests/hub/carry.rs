//! What a subscriber reads from its end.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{ToHub, ToKernel, VERSION};
use jupyter_sse_codec::{EndReason, RunKind};
use jupyter_sse_hub::{Hub, HubOptions, Refusal};

use crate::client::{Client, many, options, publish, single, start};
use crate::kernel::{Kernel, start_with_links};

#[test]
fn history_and_live_events_arrive_in_order() {
    let hub = start();
    publish(&hub, "a", &["1", "2"]);
    let mut client = Client::one(&hub, "a");
    assert_eq!(client.texts(2), ["1", "2"]);
    publish(&hub, "a", &["3"]);
    assert_eq!(client.texts(3), ["1", "2", "3"]);
}

#[test]
fn a_position_resumes_after_itself() {
    let hub = start();
    let positions = publish(&hub, "a", &["1", "2", "3"]);
    let mut client = Client::attach(&hub, single("a", Some(&positions[0])));
    assert_eq!(client.texts(2), ["2", "3"]);
    assert_eq!(client.events[0].id, positions[1]);
}

#[test]
fn an_unknown_id_is_a_gap_before_the_history() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut client = Client::attach(&hub, single("a", Some("never seen")));
    assert_eq!(client.texts(1), ["1"]);
    assert_eq!(client.events[0].event, "sse.gap");
    assert!(client.events[0].data.contains("unknown-id"));
}

#[test]
fn an_end_closes_and_its_id_is_the_end() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    let mut client = Client::one(&hub, "a");
    client.texts(1);
    hub.end("a").unwrap();
    let end = client.read_until(|_| false).last().unwrap().clone();
    assert_eq!(end.event, "sse.end");
    assert!(end.data.contains("stopped"));
    assert_eq!(
        hub.subscribe(single("a", Some(&end.id))).unwrap_err(),
        Refusal::Ended
    );
    // A new run clears the end: the stale id replays it without a gap.
    publish(&hub, "a", &["2"]);
    let mut returned = Client::attach(&hub, single("a", Some(&end.id)));
    assert_eq!(returned.texts(1), ["2"]);
    assert_eq!(returned.events.len(), 1);
}

#[test]
fn a_newcomer_to_an_unknown_stream_is_refused() {
    assert!(matches!(
        start().subscribe(single("a", None)),
        Err(Refusal::Unknown(_))
    ));
}

#[test]
fn many_streams_come_over_one_connection_in_order() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    publish(&hub, "b", &["2"]);
    publish(&hub, "a", &["3"]);
    let mut client = Client::attach(&hub, many(&["a", "b"]));
    client.read_until(|events| {
        events
            .iter()
            .filter(|event| event.event.ends_with(":message"))
            .count()
            == 3
    });
    publish(&hub, "b", &["4"]);
    let events = client.read_until(|events| events.iter().any(|event| event.data == "4"));
    let got: Vec<(&str, &str)> = events
        .iter()
        .filter(|event| !event.event.starts_with("sse."))
        .map(|event| (event.event.as_str(), event.data.as_str()))
        .collect();
    assert_eq!(
        got,
        [
            ("a:message", "1"),
            ("b:message", "2"),
            ("a:message", "3"),
            ("b:message", "4")
        ]
    );
    let last = events.last().unwrap();
    assert!(!last.id.is_empty());
}

#[test]
fn streams_are_added_and_removed_while_connected() {
    let hub = start();
    publish(&hub, "a", &["1"]);
    publish(&hub, "b", &["2"]);
    let mut client = Client::attach(&hub, many(&["a"]));
    let open = client.read_until(|events| events.iter().any(|event| event.data == "1"))[0]
        .data
        .clone();
    let connection = open.split('"').nth(3).unwrap().to_owned();
    hub.change(&connection, &["b".to_owned()], &["a".to_owned()])
        .unwrap();
    client.read_until(|events| events.iter().any(|event| event.event == "b:message"));
    publish(&hub, "a", &["unseen"]);
    publish(&hub, "b", &["seen"]);
    let events = client.read_until(|events| events.iter().any(|event| event.data == "seen"));
    assert!(events.iter().all(|event| event.data != "unseen"));
}

#[test]
fn a_missing_stream_is_delivered_when_it_appears() {
    let hub = start();
    let mut client = Client::attach(&hub, many(&["later"]));
    let refused = client.read_until(|events| events.iter().any(|event| event.event == "sse.end"));
    assert!(refused.iter().any(|event| event.data.contains("404")));
    publish(&hub, "later", &["now"]);
    client.read_until(|events| events.iter().any(|event| event.data == "now"));
}

#[test]
fn a_link_appends_is_acknowledged_and_told_to_stop() {
    let (hub, path) = start_with_links("stop");
    let mut kernel = Kernel::dial(&path, 1);
    assert_eq!(kernel.open(1, 7, RunKind::Run, "a", "{}").unwrap(), 1);
    kernel.send(2, 7, "x");
    kernel.hear_ack(2);
    let mut client = Client::one(&hub, "a");
    assert_eq!(client.texts(1), ["x"]);
    hub.end("a").unwrap();
    kernel.hear(|frame| matches!(frame, ToKernel::Stop { key: 7 }).then_some(()));
    kernel.end(3, 7, EndReason::Stopped);
    assert_eq!(
        client.read_until(|_| false).last().unwrap().event,
        "sse.end"
    );
}

#[test]
fn what_a_link_repeats_is_appended_once() {
    let (hub, path) = start_with_links("repeat");
    let mut kernel = Kernel::dial(&path, 1);
    kernel.open(1, 7, RunKind::Run, "a", "{}").unwrap();
    kernel.send(2, 7, "1");
    kernel.hear_ack(2);
    kernel.stream.shutdown(Shutdown::Both).unwrap();
    let mut kernel = Kernel::dial(&path, 1);
    let last = kernel.hear(|frame| match frame {
        ToKernel::Welcome {
            known: true,
            last_seq,
            ..
        } => Some(last_seq),
        _ => None,
    });
    assert_eq!(last, 2);
    for seq in 2..4 {
        kernel.send(seq, 7, &format!("{}", seq - 1));
    }
    assert_eq!(Client::one(&hub, "a").texts(2), ["1", "2"]);
}

#[test]
fn another_kernel_is_told_who_owns_a_run() {
    let (_hub, path) = start_with_links("owner");
    let mut first = Kernel::dial(&path, 1);
    first.open(1, 1, RunKind::Run, "a", "{}").unwrap();
    let mut other = Kernel::dial(&path, 2);
    // The same kernel may: it starts a new run.
    assert_eq!(other.open(1, 1, RunKind::Run, "a", "{}").unwrap(), 2);
    let mut stranger = Kernel::dial_as(&path, 3, "else", "else.ipynb");
    let error = stranger.open(1, 1, RunKind::Run, "a", "{}").unwrap_err();
    assert!(
        error.contains("owned") && error.contains("nb.ipynb"),
        "{error}"
    );
}

#[test]
fn a_broken_link_is_told_at_once_and_mended_by_the_next() {
    let (hub, path) = start_with_links("lost");
    let mut kernel = Kernel::dial(&path, 1);
    kernel.open(1, 1, RunKind::Run, "a", "{}").unwrap();
    let mut client = Client::attach(&hub, many(&["a"]));
    client.read_until(|events| events.iter().any(|event| event.event == "sse.ready"));
    drop(kernel);
    client.read_until(|events| {
        events
            .iter()
            .any(|event| event.event == "sse.state" && event.data.contains("lost"))
    });
    let before = client.events.len();
    let _kernel = Kernel::dial(&path, 1);
    client.read_until(|events| {
        events[before..]
            .iter()
            .any(|event| event.data.contains("live"))
    });
}

#[test]
fn a_killed_producer_ends_its_run_as_lost() {
    let (hub, path) = start_with_links("killed");
    // A process of its own holds the link: this test's own would live on.
    let script = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); \
                  s.sendall(bytes.fromhex(sys.argv[2])); time.sleep(60)";
    let mut frames = Vec::new();
    ToHub::Hello {
        version: VERSION,
        link: [9; 16],
        kernel: "k",
        label: "l",
        pid: 0,
    }
    .encode(&mut frames);
    ToHub::Open {
        seq: 1,
        key: 1,
        request: 1,
        kind: 0,
        stream: "a",
        options: "{}",
    }
    .encode(&mut frames);
    let hex = frames.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let mut process = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .arg(hex)
        .spawn()
        .unwrap();
    let mut client = Client::attach(&hub, many(&["a"]));
    client.read_until(|events| events.iter().any(|event| event.event == "sse.run"));
    let killed = Instant::now();
    process.kill().unwrap();
    let end = client.read_until(|events| {
        events
            .iter()
            .any(|event| event.event == "sse.end" && event.data.contains("\"lost\""))
    });
    assert!(end.last().unwrap().data.contains("lost"));
    assert!(killed.elapsed() < Duration::from_secs(2));
    process.wait().unwrap();
}

/// Asks for streams by the links' door. Returns the connection and the status of the answer.
fn subscribe_locally(path: &Path, query: &str) -> (UnixStream, u16) {
    let mut stream = UnixStream::connect(path).unwrap();
    let mut frame = Vec::new();
    ToHub::Subscribe { query }.encode(&mut frame);
    stream.write_all(&frame).unwrap();
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    let mut answer = vec![0; u32::from_le_bytes(head) as usize];
    stream.read_exact(&mut answer).unwrap();
    let ToKernel::Answer { status, .. } = ToKernel::decode(&answer).unwrap() else {
        panic!("no answer");
    };
    (stream, status)
}

#[test]
fn a_local_subscription_comes_in_by_the_links_door() {
    let (hub, path) = start_with_links("local");
    publish(&hub, "a", &["1"]);
    let (stream, status) = subscribe_locally(path.as_ref(), r#"{"streams": ["a"]}"#);
    assert_eq!(status, 200);
    assert_eq!(Client::over(stream).texts(1), ["1"]);
}

#[test]
fn a_local_subscription_gets_the_last_event_of_a_time_where_it_asks_for_no_more() {
    let (hub, path) = start_with_links("local-conflate");
    publish(&hub, "a", &["1", "2", "3"]);
    let query = r#"{"streams": ["a"], "conflate": 0.05}"#;
    let (stream, status) = subscribe_locally(path.as_ref(), query);
    assert_eq!(status, 200);
    let mut client = Client::over(stream);
    assert_eq!(client.texts(1), ["3"]);
    publish(&hub, "a", &["4", "5"]);
    assert_eq!(client.texts(2), ["3", "5"]);
}

#[test]
fn a_local_subscription_with_a_time_that_is_none_is_refused() {
    let (_hub, path) = start_with_links("local-refused");
    for conflate in ["0", "-1", "3601", "1e400", "\"1\"", "true"] {
        let query = format!(r#"{{"streams": ["a"], "wait": true, "conflate": {conflate}}}"#);
        assert_eq!(
            subscribe_locally(path.as_ref(), &query).1,
            400,
            "{conflate}"
        );
    }
    let query = r#"{"streams": ["a"], "wait": true, "conflate": null}"#;
    assert_eq!(subscribe_locally(path.as_ref(), query).1, 200);
}

#[test]
fn a_stalled_reader_gets_the_rest_after_an_announced_gap() {
    let options = HubOptions {
        live_window_bytes: 64 << 10,
        ..options()
    };
    let hub = Hub::start(HubOptions {
        history: jupyter_sse_hub::HistoryBounds {
            events: 10,
            ..options.history
        },
        ..options
    })
    .unwrap();
    publish(&hub, "a", &["first"]);
    let mut client = Client::one(&hub, "a");
    let text = "x".repeat(1000);
    for _ in 0..3000 {
        publish(&hub, "a", &[&text]);
    }
    publish(&hub, "a", &["last"]);
    let events = client
        .read_until(|events| events.iter().any(|event| event.data == "last"))
        .to_vec();
    let lost: u64 = events
        .iter()
        .filter(|event| event.event == "sse.gap")
        .map(|event| {
            serde_json::from_str::<serde_json::Value>(&event.data).unwrap()["lost"]["count"]
                .as_u64()
                .unwrap()
        })
        .sum();
    let got = events
        .iter()
        .filter(|event| event.event == "message")
        .count() as u64;
    assert_eq!(got + lost, 3002);
    assert!(lost > 0);
}

#[test]
fn silence_is_broken_by_a_keep_alive() {
    let hub = Hub::start(HubOptions {
        ping_interval: Duration::from_millis(60),
        ..options()
    })
    .unwrap();
    publish(&hub, "a", &["1"]);
    let mut client = Client::attach(&hub, many(&["a"]));
    client.read_until(|events| {
        events
            .iter()
            .filter(|event| event.event == "sse.ping")
            .count()
            >= 2
    });
}

#[test]
fn portable_readers_get_the_same_bytes() {
    let hub = start();
    publish(&hub, "a", &["1", "2"]);
    let ids: Vec<u64> = (0..2)
        .map(|_| hub.attach_portable(hub.subscribe(single("a", None)).unwrap(), b"head".to_vec()))
        .collect();
    let mut got: std::collections::HashMap<u64, Vec<u8>> = std::collections::HashMap::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while ids.iter().any(|id| {
        !got.get(id)
            .is_some_and(|bytes| bytes.ends_with(b"data: 2\n\n"))
    }) {
        assert!(Instant::now() < deadline);
        for piece in hub.drain() {
            got.entry(piece.id)
                .or_default()
                .extend_from_slice(&piece.bytes);
            hub.drained(piece.id);
        }
    }
    let text = String::from_utf8(got[&ids[0]].clone()).unwrap();
    assert!(text.starts_with("headretry: "), "{text}");
}
