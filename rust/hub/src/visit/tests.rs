//! What readers of routes get, and what kernels are told of them: no sockets, no clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod changes;
mod pull;
mod random;

use std::sync::Mutex;

use jupyter_sse_codec::frame::{ToHub, ToKernel, split};
use jupyter_sse_codec::{EndReason, Epoch, RunKind};
use serde_json::{Value, json};

use super::credit::WINDOW;
use super::{Begun, MAX_VISITS};
use crate::clock::Now;
use crate::log::Incoming;
use crate::options::HubOptions;
use crate::query::{Query, subscribe};
use crate::reader::{Next, Reader, SharedBatch, lock};
use crate::state::{Refusal, State};
use crate::stream::{LinkId, ProducerInfo};
use crate::subscription::Wants;

const LINK: LinkId = [1; 16];
const OTHER: LinkId = [2; 16];
const ROUTE: u32 = 1;
const VISIT: u32 = 10;
const REQUEST: &str =
    r#"{"query":{"q":["1"]},"headers":{"x":"y"},"user":{"username":"ada"},"address":"::1"}"#;

/// What a kernel is told, as far as these tests look.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Begin {
        key: u32,
        visit: u64,
        request: Value,
    },
    Credit {
        key: u32,
        bytes: u64,
    },
    Stop {
        key: u32,
    },
    Opened {
        key: u32,
        reason: String,
    },
}

fn told(mut bytes: &[u8]) -> Vec<Told> {
    let mut all = Vec::new();
    while let Some((payload, used)) = split(bytes, 1 << 20).unwrap() {
        bytes = &bytes[used..];
        all.extend(match ToKernel::decode(payload).unwrap() {
            ToKernel::Begin {
                key,
                visit,
                request,
            } => Some(Told::Begin {
                key,
                visit,
                request: serde_json::from_str(request).unwrap(),
            }),
            ToKernel::Credit { key, bytes } => Some(Told::Credit { key, bytes }),
            ToKernel::Stop { key } => Some(Told::Stop { key }),
            ToKernel::Opened { key, error, .. } => {
                let error: Value = serde_json::from_str(error).unwrap_or_default();
                let reason = error["reason"].as_str().unwrap_or_default().to_owned();
                Some(Told::Opened { key, reason })
            }
            _ => None,
        });
    }
    all
}

fn is_opened(key: u32) -> Told {
    let reason = String::new();
    Told::Opened { key, reason }
}

/// A hub with a kernel, and its readers.
struct Hall {
    state: Mutex<State>,
}

impl Hall {
    /// One whose kernel has opened a route.
    fn new(pattern: &str) -> Self {
        let state = State::new(HubOptions::default(), Epoch::from_random(1));
        let hall = Self {
            state: Mutex::new(state),
        };
        hall.link_up(LINK, "k1");
        assert_eq!(hall.open_route(LINK, ROUTE, pattern), [is_opened(ROUTE)]);
        hall
    }

    fn link_up(&self, link: LinkId, kernel: &str) -> Vec<Told> {
        let producer = ProducerInfo {
            kernel: kernel.to_owned(),
            label: "nb".to_owned(),
            pid: 7,
        };
        told(&lock(&self.state).link_up(link, producer))
    }

    fn say(&self, link: LinkId, frame: &ToHub<'_>) -> Vec<Told> {
        let mut reply = Vec::new();
        lock(&self.state).link_frame(&link, frame, 1000, &mut reply);
        told(&reply)
    }

    fn open(&self, link: LinkId, key: u32, kind: RunKind, name: &str, options: &str) -> Vec<Told> {
        let frame = ToHub::Open {
            seq: 0,
            key,
            request: key,
            kind: kind.as_u8(),
            stream: name,
            options,
        };
        self.say(link, &frame)
    }

    fn open_route(&self, link: LinkId, key: u32, pattern: &str) -> Vec<Told> {
        self.open(link, key, RunKind::Route, pattern, r#"{"ping_interval":2}"#)
    }

    /// The kernel opens what it was told to begin.
    fn open_visit(&self, key: u32, number: u64) -> Vec<Told> {
        let options = json!({"visit": number}).to_string();
        self.open(LINK, key, RunKind::Visit, "users/42", &options)
    }

    fn send(&self, key: u32, data: &str) {
        let body = format!("data: {data}\n\n");
        let frame = ToHub::Event {
            seq: 0,
            key,
            event: b"",
            id: b"",
            body: body.as_bytes(),
        };
        self.say(LINK, &frame);
    }

    fn end(&self, key: u32, reason: EndReason, error: &str) {
        let frame = ToHub::End {
            seq: 0,
            key,
            reason: reason.as_u8(),
            error,
        };
        self.say(LINK, &frame);
    }

    /// What was put out for the kernels since the last look.
    fn outbox(&self) -> Vec<Told> {
        let outbox = std::mem::take(&mut lock(&self.state).outbox);
        outbox.iter().flat_map(|(_, frame)| told(frame)).collect()
    }

    /// The one visit that was begun since the last look: its number.
    fn begun(&self) -> (u64, Value) {
        match self.outbox().as_slice() {
            [
                Told::Begin {
                    key: ROUTE,
                    visit,
                    request,
                },
            ] => (*visit, request.clone()),
            other => panic!("one begin expected, got {other:?}"),
        }
    }

    fn answers(&self) -> Vec<Begun> {
        lock(&self.state).visits.take_begun()
    }

    fn come(&self, query: Query) -> Result<Guest<'_>, Refusal> {
        let subscription = subscribe(&mut lock(&self.state), query, 0)?;
        let reader = Reader::new(subscription, Vec::new(), Now::default(), u64::MAX);
        Ok(Guest { hall: self, reader })
    }

    /// A reader of one path whose visit is open, as the kernel's key `VISIT`.
    fn visited(&self) -> Guest<'_> {
        let reader = self.come(single("users/42")).unwrap();
        let (number, _) = self.begun();
        let granted = Told::Credit {
            key: VISIT,
            bytes: WINDOW,
        };
        let expected = [is_opened(VISIT), granted];
        assert_eq!(self.open_visit(VISIT, number), expected);
        reader
    }
}

fn single(path: &str) -> Query {
    Query {
        streams: vec![path.to_owned()],
        request: Some(REQUEST.to_owned()),
        wants: Wants {
            single: true,
            ..Wants::default()
        },
        ..Query::default()
    }
}

fn several(paths: &[&str]) -> Query {
    Query {
        streams: paths.iter().map(|&it| it.to_owned()).collect(),
        request: Some(REQUEST.to_owned()),
        ..Query::default()
    }
}

/// A reader.
struct Guest<'a> {
    hall: &'a Hall,
    reader: Reader,
}

impl Guest<'_> {
    /// What it is given, until there is nothing.
    fn read(&mut self) -> String {
        let mut all = Vec::new();
        while self.read_once(&mut all) {}
        String::from_utf8(all).unwrap()
    }

    fn read_once(&mut self, all: &mut Vec<u8>) -> bool {
        let mut batch = SharedBatch::default();
        let state = &self.hall.state;
        match self.reader.next(state, Now::default(), &mut batch) {
            Next::Pending => {
                let count = self.reader.pending().len();
                all.extend_from_slice(self.reader.pending());
                self.reader.consume(count, Now::default());
            }
            Next::Batch => {
                let bytes = batch.batch.bytes.clone();
                all.extend_from_slice(&bytes);
                self.reader
                    .consume_batch(&batch.batch, bytes.len(), Now::default());
            }
            Next::Rest | Next::Close => return false,
        }
        true
    }

    fn leave(mut self) {
        let mut state = lock(&self.hall.state);
        self.reader.subscription.leave_visits(&mut state);
    }
}

fn ends_in(text: &str) -> Vec<Value> {
    let ends = text.split("event: sse.end\n").skip(1);
    let data = ends.map(|rest| rest.split("data: ").nth(1).unwrap());
    data.map(|rest| serde_json::from_str(rest.split('\n').next().unwrap()).unwrap())
        .collect()
}

#[test]
fn each_reader_begins_a_run_of_its_own_and_its_producer_is_told_who_it_is() {
    let hall = Hall::new("users/{user_id}");
    let mut query = single("users/42");
    query.last_event_id = Some("17".to_owned());
    let reader = hall.come(query).unwrap();
    let (_, request) = hall.begun();
    let expected = json!({
        "path": "users/42", "path_params": {"user_id": "42"}, "query": {"q": ["1"]}, "headers": {"x": "y"},
        "user": {"username": "ada"}, "address": "::1", "last_event_id": "17",
        "connection": reader.reader.subscription.connection.as_str(),
    });
    assert_eq!(request, expected);
    let other = hall.come(single("users/42")).unwrap();
    let (_, request) = hall.begun();
    assert_eq!(request["last_event_id"], Value::Null);
    assert_ne!(
        reader.reader.subscription.visits(),
        other.reader.subscription.visits()
    );
}

#[test]
fn readers_of_one_path_get_what_is_sent_for_them_alone() {
    let hall = Hall::new("users/{user_id}");
    let mut readers = [
        hall.come(single("users/42")).unwrap(),
        hall.come(single("users/42")).unwrap(),
    ];
    for (key, told) in (VISIT..).zip(hall.outbox()) {
        let Told::Begin { visit, .. } = told else {
            panic!("a begin expected, got {told:?}")
        };
        hall.open_visit(key, visit);
        hall.send(key, &format!("for {key}"));
    }
    assert!(readers[0].read().contains("data: for 10\n"));
    let second = readers[1].read();
    assert!(second.contains("data: for 11\n") && !second.contains("for 10"));
    let state = lock(&hall.state);
    assert!(state.find("users/42").is_none());
    assert_eq!(state.describe_counters()["streams"], 0);
    assert_eq!(state.describe_counters()["visits"], 2);
}

#[test]
fn a_stream_of_that_name_goes_before_a_route() {
    let hall = Hall::new("users/{user_id}");
    hall.open(LINK, 5, RunKind::Run, "users/42", "{}");
    let reader = hall.come(single("users/42")).unwrap();
    assert!(reader.reader.subscription.visits().is_empty());
    assert_eq!(hall.outbox(), []);
    assert!(matches!(
        hall.come(single("rooms/1")),
        Err(Refusal::Unknown(_))
    ));
}

#[test]
fn literal_segments_go_before_parameters_and_one_kernel_owns_a_family() {
    let hall = Hall::new("users/{user_id}");
    hall.link_up(OTHER, "k2");
    let refused = hall.open_route(OTHER, 1, "users/{name}");
    let reason = "owned".to_owned();
    assert_eq!(refused, [Told::Opened { key: 1, reason }]);
    assert_eq!(hall.open_route(OTHER, 2, "users/me"), [is_opened(2)]);
    let invalid = hall.open_route(OTHER, 3, "users/{}");
    let reason = "invalid".to_owned();
    assert_eq!(invalid, [Told::Opened { key: 3, reason }]);
    let _reader = hall.come(single("users/me")).unwrap();
    let told = hall.outbox();
    assert!(
        matches!(told.as_slice(), [Told::Begin { key: 2, .. }]),
        "{told:?}"
    );
}

#[test]
fn a_reader_that_leaves_stops_its_generator_at_once() {
    let hall = Hall::new("users/{user_id}");
    hall.visited().leave();
    assert_eq!(hall.outbox(), [Told::Stop { key: VISIT }]);
    hall.end(VISIT, EndReason::Stopped, "");
    let state = lock(&hall.state);
    assert_eq!((state.visits.len(), state.streams().count()), (0, 0));
    assert!(state.visits.counts.is_empty());
}

#[test]
fn a_reader_that_leaves_before_its_run_was_opened_is_gone_then() {
    let hall = Hall::new("users/{user_id}");
    let reader = hall.come(single("users/42")).unwrap();
    let (number, _) = hall.begun();
    reader.leave();
    let key = VISIT;
    let reason = "gone".to_owned();
    assert_eq!(
        hall.open_visit(VISIT, number),
        [Told::Opened { key, reason }]
    );
    assert!(lock(&hall.state).visits.counts.is_empty());
}

#[test]
fn the_end_of_a_run_is_told_and_its_id_gets_nothing_more_from_this_route() {
    let hall = Hall::new("users/{user_id}");
    let mut reader = hall.visited();
    hall.send(VISIT, "1");
    hall.end(VISIT, EndReason::Done, "");
    let text = reader.read();
    assert_eq!(ends_in(&text)[0]["reason"], "done");
    assert_eq!(ends_in(&text)[0]["cursor"], Value::Null);
    let id = text.rsplit("id: ").next().unwrap();
    let id = id.split('\n').next().unwrap().to_owned();
    reader.leave();
    assert_eq!(hall.outbox(), []);
    let back = || Query {
        last_event_id: Some(id.clone()),
        ..single("users/42")
    };
    assert!(matches!(hall.come(back()), Err(Refusal::Ended)));
    // Several are read by one connection: of that one nothing is said again but that it is there.
    let mut query = several(&["users/42"]);
    query.streams = vec![format!("users/42@{id}")];
    query.wants.control = true;
    let mut reader = hall.come(query).unwrap();
    let text = reader.read();
    assert!(text.contains("event: sse.ready\n"), "{text}");
    assert!(
        !text.contains("sse.end") && !text.contains("sse.run"),
        "{text}"
    );
    assert_eq!(hall.outbox(), []);
    hall.open_route(LINK, 2, "users/{user_id}");
    assert_eq!(hall.outbox().len(), 1);
    assert!(reader.read().contains("event: sse.run\n"));
    hall.come(back()).unwrap();
    assert_eq!(hall.outbox().len(), 1);
    hall.end(2, EndReason::Stopped, "");
    assert!(matches!(hall.come(back()), Err(Refusal::Ended)));
}

#[test]
fn who_returns_gets_a_new_run_and_no_gap() {
    let hall = Hall::new("users/{user_id}");
    let mut query = single("users/42");
    query.last_event_id = Some("abcdefghijk-5-5".to_owned());
    let mut reader = hall.come(query).unwrap();
    let (number, request) = hall.begun();
    assert_eq!(request["last_event_id"], "abcdefghijk-5-5");
    hall.open_visit(VISIT, number);
    hall.send(VISIT, "1");
    let text = reader.read();
    assert!(
        text.contains("data: 1\n") && !text.contains("sse.gap"),
        "{text}"
    );
}

#[test]
fn the_head_of_a_response_is_told_its_headers_once_or_its_refusal() {
    let hall = Hall::new("users/{user_id}");
    let reader = hall.visited();
    let visit = reader.reader.subscription.visits()[0];
    assert_eq!(hall.answers(), []);
    let head = r#"{"headers":{"x":"y"}}"#;
    hall.say(
        LINK,
        &ToHub::Head {
            seq: 0,
            key: VISIT,
            head,
        },
    );
    hall.send(VISIT, "1");
    let ready = |payload: &str| Begun {
        visit,
        is_refused: false,
        payload: payload.to_owned(),
    };
    assert_eq!(hall.answers(), [ready(head)]);
    reader.leave();

    let mut refused = hall.come(single("users/43")).unwrap();
    hall.outbox();
    let visit = refused.reader.subscription.visits()[0];
    let number = lock(&hall.state).visits.last_begin;
    let base = hall.open_visit(VISIT + 1, number);
    assert_eq!(base.len(), 1, "a number that was never told: {base:?}");
    let number = *lock(&hall.state).visits.begins.keys().next().unwrap();
    hall.open_visit(VISIT + 2, number);
    let error = json!({"type": "HTTPError", "message": "too many", "status": 429, "headers": {"Retry-After": "9"}});
    hall.end(VISIT + 2, EndReason::Refused, &error.to_string());
    let answers = hall.answers();
    assert!(answers.len() == 1 && answers[0].is_refused && answers[0].visit == visit);
    let payload: Value = serde_json::from_str(&answers[0].payload).unwrap();
    assert_eq!(payload, error);
    // Who is connected already gets it in the stream.
    let end = &ends_in(&refused.read())[0];
    assert_eq!(
        (&end["reason"], &end["status"]),
        (&json!("refused"), &json!(429))
    );
    assert_eq!(end["error"]["message"], "too many");
}

#[test]
fn what_is_no_status_of_an_error_is_one_of_ours() {
    for (told, status) in [
        (json!({"status": 200}), 500),
        (json!({}), 500),
        (json!({"status": 404}), 404),
    ] {
        assert_eq!(super::refusal_status(&told), status);
    }
}
