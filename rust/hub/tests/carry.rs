//! A real hub, real sockets: what a subscriber reads from its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jupyter_sse_codec::frame::{ToHub, ToKernel, VERSION, split};
use jupyter_sse_codec::{Decoder, RunKind};
use jupyter_sse_hub::log::Incoming;
use jupyter_sse_hub::{Hub, HubOptions, Query, Refusal, Socket, Wants};

fn body(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    jupyter_sse_codec::encode_body(&mut out, Some(text), None, None);
    out
}

fn publish(hub: &Hub, name: &str, texts: &[&str]) -> Vec<String> {
    let bodies: Vec<Vec<u8>> = texts.iter().map(|text| body(text)).collect();
    let events: Vec<Incoming<'_>> = bodies
        .iter()
        .map(|body| Incoming {
            event: b"",
            id: b"",
            body,
        })
        .collect();
    hub.publish(name, &events).unwrap()
}

/// One event as it was decoded.
#[derive(Debug, Clone)]
struct Got {
    event: String,
    data: String,
    id: String,
}

struct Client {
    stream: UnixStream,
    decoder: Decoder,
    events: Vec<Got>,
    is_closed: bool,
}

impl Client {
    fn attach(hub: &Hub, query: Query) -> Self {
        let subscription = hub.subscribe(query).unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        hub.attach(
            subscription,
            Socket::from_owned(near.into()).unwrap(),
            Vec::new(),
        );
        Self::over(far)
    }

    fn over(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self {
            stream,
            decoder: Decoder::new(1 << 20),
            events: Vec::new(),
            is_closed: false,
        }
    }

    fn one(hub: &Hub, name: &str) -> Self {
        Self::attach(hub, single(name, None))
    }

    /// Reads until `is_enough`, or the connection closes.
    fn read_until(&mut self, is_enough: impl Fn(&[Got]) -> bool) -> &[Got] {
        let mut buffer = [0; 65_536];
        while !is_enough(&self.events) && !self.is_closed {
            let count = self
                .stream
                .read(&mut buffer)
                .expect("nothing came for ten seconds");
            self.is_closed = count == 0;
            let events = &mut self.events;
            self.decoder
                .feed(&buffer[..count], |event| {
                    events.push(Got {
                        event: event.event.into(),
                        data: event.data.into(),
                        id: event.id.into(),
                    });
                })
                .unwrap();
        }
        &self.events
    }

    fn texts(&mut self, count: usize) -> Vec<String> {
        self.read_until(|events| {
            events
                .iter()
                .filter(|event| event.event == "message")
                .count()
                >= count
        });
        self.events
            .iter()
            .filter(|event| event.event == "message")
            .map(|event| event.data.clone())
            .collect()
    }
}

fn single(name: &str, last_event_id: Option<&str>) -> Query {
    Query {
        streams: vec![name.to_owned()],
        last_event_id: last_event_id.map(str::to_owned),
        wait: false,
        wants: Wants {
            single: true,
            ..Wants::default()
        },
    }
}

fn many(targets: &[&str]) -> Query {
    let streams = targets.iter().map(|&target| target.to_owned()).collect();
    Query {
        streams,
        wants: Wants {
            control: true,
            ..Wants::default()
        },
        ..Query::default()
    }
}

fn start() -> Hub {
    Hub::start(HubOptions::default()).unwrap()
}

/// A kernel's link, by hand.
struct Kernel {
    stream: UnixStream,
    input: Vec<u8>,
    path: PathBuf,
}

impl Kernel {
    fn dial(path: &std::path::Path, link: u8) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut kernel = Self {
            stream,
            input: Vec::new(),
            path: path.to_owned(),
        };
        kernel.say(&ToHub::Hello {
            version: VERSION,
            link: [link; 16],
            kernel: "k",
            label: "nb.ipynb",
            pid: std::process::id(),
        });
        kernel
    }

    fn say(&mut self, frame: &ToHub<'_>) {
        let mut out = Vec::new();
        frame.encode(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    /// Reads frames until one is what the caller looks for.
    fn hear<T>(&mut self, mut pick: impl FnMut(ToKernel<'_>) -> Option<T>) -> T {
        loop {
            while let Some((payload, used)) = split(&self.input, 1 << 20).unwrap() {
                let picked = pick(ToKernel::decode(payload).unwrap());
                self.input.drain(..used);
                if let Some(picked) = picked {
                    return picked;
                }
            }
            let mut buffer = [0; 65_536];
            let count = self
                .stream
                .read(&mut buffer)
                .expect("nothing came for ten seconds");
            assert!(
                count > 0,
                "the hub closed the link at {}",
                self.path.display()
            );
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    fn open(
        &mut self,
        seq: u64,
        key: u32,
        kind: RunKind,
        name: &str,
        options: &str,
    ) -> Result<u32, String> {
        self.say(&ToHub::Open {
            seq,
            key,
            request: key,
            kind: kind.as_u8(),
            stream: name,
            options,
        });
        self.hear(|frame| match frame {
            ToKernel::Opened { run, error: "", .. } => Some(Ok(run)),
            ToKernel::Opened { error, .. } => Some(Err(error.to_owned())),
            _ => None,
        })
    }
}

fn start_with_links(name: &str) -> (Hub, PathBuf) {
    let path = std::env::temp_dir().join(format!("jsse-{name}-{}.sock", std::process::id()));
    let hub = Hub::start(HubOptions {
        link_path: Some(path.clone()),
        ..HubOptions::default()
    })
    .unwrap();
    (hub, path)
}

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
    hub.change(&connection, vec!["b".to_owned()], vec!["a".to_owned()])
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
    kernel.say(&ToHub::Event {
        seq: 2,
        key: 7,
        event: b"",
        id: b"",
        body: &body("x"),
    });
    kernel.hear(|frame| matches!(frame, ToKernel::Ack { seq: 2 }).then_some(()));
    let mut client = Client::one(&hub, "a");
    assert_eq!(client.texts(1), ["x"]);
    hub.end("a").unwrap();
    kernel.hear(|frame| matches!(frame, ToKernel::Stop { key: 7 }).then_some(()));
    kernel.say(&ToHub::End {
        seq: 3,
        key: 7,
        reason: 1,
        error: "",
    });
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
    kernel.say(&ToHub::Event {
        seq: 2,
        key: 7,
        event: b"",
        id: b"",
        body: &body("1"),
    });
    kernel.hear(|frame| matches!(frame, ToKernel::Ack { seq: 2 }).then_some(()));
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
        kernel.say(&ToHub::Event {
            seq,
            key: 7,
            event: b"",
            id: b"",
            body: &body(&format!("{}", seq - 1)),
        });
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
    let mut stranger = Kernel {
        stream: UnixStream::connect(&path).unwrap(),
        input: Vec::new(),
        path: path.clone(),
    };
    stranger.say(&ToHub::Hello {
        version: VERSION,
        link: [3; 16],
        kernel: "else",
        label: "else.ipynb",
        pid: 1,
    });
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
    let hex: String = frames.iter().map(|byte| format!("{byte:02x}")).collect();
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

#[test]
fn a_local_subscription_comes_in_by_the_links_door() {
    let (hub, path) = start_with_links("local");
    publish(&hub, "a", &["1"]);
    let mut stream = UnixStream::connect(&path).unwrap();
    let mut frame = Vec::new();
    ToHub::Subscribe {
        query: r#"{"streams": ["a"]}"#,
    }
    .encode(&mut frame);
    stream.write_all(&frame).unwrap();
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    let mut answer = vec![0; u32::from_le_bytes(head) as usize];
    stream.read_exact(&mut answer).unwrap();
    assert!(matches!(
        ToKernel::decode(&answer).unwrap(),
        ToKernel::Answer { status: 200, .. }
    ));
    assert_eq!(Client::over(stream).texts(1), ["1"]);
}

#[test]
fn a_stalled_reader_gets_the_rest_after_an_announced_gap() {
    let options = HubOptions {
        live_window_bytes: 64 << 10,
        ..HubOptions::default()
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
        ..HubOptions::default()
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
