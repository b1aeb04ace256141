//! The reader's end of a connection, and the shortest way to publish.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use jupyter_sse_codec::Decoder;
use jupyter_sse_hub::log::Incoming;
use jupyter_sse_hub::{Hub, HubOptions, Query, Socket, Subscription, Wants};

pub(crate) fn body(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    jupyter_sse_codec::encode_body(&mut out, Some(text), None, None);
    out
}

pub(crate) fn publish(hub: &Hub, name: &str, texts: &[&str]) -> Vec<String> {
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
pub(crate) struct Got {
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) id: String,
}

pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
    pub(crate) events: Vec<Got>,
    pub(crate) is_closed: bool,
}

impl Client {
    pub(crate) fn attach(hub: &Hub, query: Query) -> Self {
        Self::carry(hub, hub.subscribe(query).unwrap())
    }

    pub(crate) fn carry(hub: &Hub, subscription: Subscription) -> Self {
        let (near, far) = UnixStream::pair().unwrap();
        hub.attach(
            subscription,
            Socket::from_owned(near.into()).unwrap(),
            Vec::new(),
        );
        Self::over(far)
    }

    pub(crate) fn over(stream: UnixStream) -> Self {
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

    pub(crate) fn one(hub: &Hub, name: &str) -> Self {
        Self::attach(hub, single(name, None))
    }

    /// Reads until `is_enough`, or the connection closes.
    pub(crate) fn read_until(&mut self, is_enough: impl Fn(&[Got]) -> bool) -> &[Got] {
        let mut buffer = vec![0; 65_536];
        while !is_enough(&self.events) && !self.is_closed {
            let count = self
                .stream
                .read(&mut buffer)
                .expect("nothing came for ten seconds");
            self.is_closed = count == 0;
            self.feed(&buffer[..count]);
        }
        &self.events
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let events = &mut self.events;
        self.decoder
            .feed(bytes, |event| {
                events.push(Got {
                    event: event.event.into(),
                    data: event.data.into(),
                    id: event.id.into(),
                });
            })
            .unwrap();
    }

    /// Reads until this many keep-alives have come.
    pub(crate) fn read_until_pings(&mut self, count: usize) {
        self.read_until(|events| {
            events
                .iter()
                .filter(|event| event.event == "sse.ping")
                .count()
                >= count
        });
    }

    pub(crate) fn texts(&mut self, count: usize) -> Vec<String> {
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

pub(crate) fn single(name: &str, last_event_id: Option<&str>) -> Query {
    Query {
        request: None,
        streams: vec![name.to_owned()],
        last_event_id: last_event_id.map(str::to_owned),
        wants: Wants {
            single: true,
            ..Wants::default()
        },
        ..Query::default()
    }
}

pub(crate) fn many(targets: &[&str]) -> Query {
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

/// The usual settings, with as many threads as `HUB_THREADS` says: all of these tests are to pass with any number.
pub(crate) fn options() -> HubOptions {
    let threads = std::env::var("HUB_THREADS").ok();
    HubOptions {
        reactor_threads: threads.map_or(1, |threads| threads.parse().unwrap()),
        ..HubOptions::default()
    }
}

pub(crate) fn start() -> Hub {
    Hub::start(options()).unwrap()
}

/// Waits for what has to happen, however busy the machine is.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
