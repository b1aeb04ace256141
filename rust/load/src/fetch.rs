//! Many new connections with one answer each, as fast as the server gives them: what the opening of a stream is compared with.

use std::io::{self, Read, Write};

use mio::{Events, Poll, Token};
use serde_json::json;

use crate::arguments::Arguments;
use crate::clock;
use crate::framing::Framing;
use crate::head::Head;
use crate::histogram::Histogram;
use crate::request::Request;
use crate::say;
use crate::wire::Wire;

/// One connection, asking.
struct Fetch {
    wire: Wire,
    started: u64,
    has_asked: bool,
    head: Vec<u8>,
    body: Option<Framing>,
}

/// See the module's text.
///
/// # Errors
///
/// The system gives no socket, or an answer is no success.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let Some(request) = &arguments.request else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut fetches: Vec<Option<Fetch>> = (0..arguments.inflight).map(|_| None).collect();
    let (mut begun, mut done, mut failed) = (0, 0, 0);
    let mut answers = Histogram::default();
    let started = clock::now();
    while done + failed < arguments.connections {
        for (place, slot) in fetches.iter_mut().enumerate() {
            if slot.is_none() && begun < arguments.connections {
                begun += 1;
                *slot = Some(begin(request, &poll, place)?);
            }
        }
        poll.poll(&mut events, None)?;
        for event in &events {
            let slot = &mut fetches[event.token().0];
            let Some(fetch) = slot else { continue };
            match fetch.go_on(request) {
                Ok(false) => continue,
                Ok(true) => {
                    done += 1;
                    answers.record(clock::now() - fetch.started);
                }
                Err(_) => failed += 1,
            }
            *slot = None;
        }
    }
    let seconds = (clock::now() - started) as f64 / 1e9;
    say(&json!({
        "answers": done,
        "failed": failed,
        "seconds": seconds,
        "per_second": done as f64 / seconds,
        "p50_ms": answers.quantile_ms(0.5),
        "p99_ms": answers.quantile_ms(0.99),
        "max_ms": answers.max_ms(),
    }))
}

fn begin(request: &Request, poll: &Poll, place: usize) -> io::Result<Fetch> {
    let mut wire = Wire::connect(request.address, request.is_encrypted, 0, false)?;
    wire.register(poll.registry(), Token(place))?;
    Ok(Fetch {
        wire,
        started: clock::now(),
        has_asked: false,
        head: Vec::new(),
        body: None,
    })
}

impl Fetch {
    /// Writes and reads what can be; returns whether the answer is complete.
    fn go_on(&mut self, request: &Request) -> io::Result<bool> {
        self.wire.check()?;
        if !self.has_asked {
            match self.wire.write(request.text("").as_bytes()) {
                Ok(_) => self.has_asked = true,
                Err(error) if is_not_yet(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let mut buffer = [0; 16 << 10];
        loop {
            match self.wire.read(&mut buffer) {
                Ok(0) => return Ok(self.body.is_some()),
                Ok(count) => {
                    if self.take(&buffer[..count])? {
                        return Ok(true);
                    }
                }
                Err(error) if is_not_yet(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns whether the answer is complete.
    fn take(&mut self, piece: &[u8]) -> io::Result<bool> {
        let Some(body) = &mut self.body else {
            self.head.extend_from_slice(piece);
            let Some(head) = Head::parse(&self.head).map_err(io::Error::other)? else {
                return Ok(false);
            };
            if head.status != 200 {
                return Err(io::Error::other(format!("status {}", head.status)));
            }
            let mut body = Framing::from(head.body);
            body.feed(&self.head[head.bytes..], |_| {});
            let is_over = body.is_over();
            self.body = Some(body);
            return Ok(is_over);
        };
        body.feed(piece, |_| {});
        Ok(body.is_over())
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
