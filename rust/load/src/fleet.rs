//! All readers, in one thread: connects them, says when they are ready, and then counts as it is told.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};
use serde_json::json;

use crate::arguments::Arguments;
use crate::clock;
use crate::counter::Counter;
use crate::histogram::Histogram;
use crate::order::{self, Order};
use crate::reader::{Kind, Reader, Turn};
use crate::request::Request;
use crate::say;

const WAKER: Token = Token(usize::MAX);
const BUFFER_BYTES: usize = 256 << 10;
/// How often slow readers read, and how often it is looked whether everything has come.
const TICK: Duration = Duration::from_millis(20);
/// Who has no answer by then has failed.
const ANSWER_WITHIN: u64 = 300_000_000_000;

/// An `end` that waits.
struct Ending {
    last: u64,
    patience: Duration,
    since: u64,
}

struct Fleet {
    poll: Poll,
    request: Request,
    readers: Vec<Reader>,
    /// Who is to be opened, the next one last.
    unopened: Vec<usize>,
    /// How many wait for their answer.
    waiting: usize,
    inflight: usize,
    /// Who has more to read.
    again: Vec<usize>,
    buffer: Vec<u8>,
    counter: Counter,
    answers: Histogram,
    failed: usize,
    first_failure: String,
    slow_bytes: usize,
    lifetime: Duration,
    dice: u64,
    ending: Option<Ending>,
}

/// See the module's text.
///
/// # Errors
///
/// The system gives no poll, or nobody listens to what is found.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let mut fleet = Fleet::new(arguments)?;
    let waker = Arc::new(Waker::new(fleet.poll.registry(), WAKER)?);
    let orders = order::listen(move || {
        // A poll that is gone needs no waking.
        let _ = waker.wake();
    });
    let started = clock::now();
    while !fleet.unopened.is_empty() || fleet.waiting > 0 {
        fleet.turn()?;
        if clock::now() - started > ANSWER_WITHIN {
            break;
        }
    }
    let seconds = (clock::now() - started) as f64 / 1e9;
    fleet.say_ready(seconds)?;
    while fleet.obey(&orders)? {
        fleet.turn()?;
    }
    Ok(())
}

impl Fleet {
    fn new(arguments: &Arguments) -> io::Result<Self> {
        let Some(request) = arguments.request.clone() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let count = arguments.connections;
        Ok(Self {
            poll: Poll::new()?,
            request,
            readers: kinds(arguments).into_iter().map(Reader::new).collect(),
            unopened: (0..count).rev().collect(),
            waiting: 0,
            inflight: arguments.inflight,
            again: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            counter: Counter::default(),
            answers: Histogram::default(),
            failed: 0,
            first_failure: String::new(),
            slow_bytes: (arguments.slow_rate / 50).max(1),
            lifetime: arguments.lifetime,
            dice: 0x9E37_79B9_7F4A_7C15,
            ending: None,
        })
    }

    fn say_ready(&self, seconds: f64) -> io::Result<()> {
        let connected = self.readers.iter().filter(|it| it.is_streaming()).count();
        say(&json!({
            "ready": connected,
            "failed": self.failed,
            "waiting": self.waiting,
            "failure": self.first_failure,
            "seconds": seconds,
            "answer_p50_ms": self.answers.quantile_ms(0.5),
            "answer_p99_ms": self.answers.quantile_ms(0.99),
        }))
    }

    /// One round: opens, waits for sockets, reads, and what the time has brought.
    fn turn(&mut self) -> io::Result<()> {
        while self.waiting < self.inflight {
            let Some(number) = self.unopened.pop() else {
                break;
            };
            self.open(number);
        }
        let timeout = if self.again.is_empty() {
            TICK
        } else {
            Duration::ZERO
        };
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for number in std::mem::take(&mut self.again) {
            self.serve(number, false);
        }
        for event in &events {
            if event.token() != WAKER {
                self.serve(event.token().0, event.is_read_closed() || event.is_error());
            }
        }
        self.tick();
        Ok(())
    }

    fn open(&mut self, number: usize) {
        let opened = self.readers[number]
            .open(&self.request, number)
            .and_then(|wire| wire.register(self.poll.registry(), Token(number)));
        self.waiting += 1;
        if let Err(error) = opened {
            self.close(number, &error.to_string());
        }
    }

    fn serve(&mut self, number: usize, is_ending: bool) {
        let reader = &mut self.readers[number];
        let was_waiting = reader.is_waiting();
        match reader.ready(&mut self.buffer, &mut self.counter, is_ending) {
            Ok(turn) => {
                if was_waiting && reader.is_streaming() {
                    self.waiting -= 1;
                    self.welcome(number);
                }
                if turn == Turn::Again {
                    self.again.push(number);
                }
            }
            Err(why) => self.close(number, &why),
        }
    }

    /// A reader has its answer.
    fn welcome(&mut self, number: usize) {
        let now = clock::now();
        let reader = &mut self.readers[number];
        self.answers.record(now - reader.started);
        if reader.kind == Kind::Vanishing {
            // Half to one and a half times: they do not leave together.
            self.dice ^= self.dice << 13;
            self.dice ^= self.dice >> 7;
            self.dice ^= self.dice << 17;
            let middle = self.lifetime.as_nanos() as u64;
            reader.acts_at = now + middle / 2 + self.dice % middle.max(1);
        }
    }

    /// A connection is over, and not by our will.
    fn close(&mut self, number: usize, why: &str) {
        let reader = &mut self.readers[number];
        if reader.is_streaming() {
            self.counter.closed += 1;
        } else {
            self.waiting -= 1;
            self.failed += 1;
        }
        if self.first_failure.is_empty() {
            why.clone_into(&mut self.first_failure);
        }
        reader.leave();
        if reader.kind == Kind::Vanishing {
            self.unopened.insert(0, number);
        }
    }

    /// What is due: slow readers read, vanishing ones leave and come back.
    fn tick(&mut self) {
        let now = clock::now();
        for number in 0..self.readers.len() {
            let reader = &mut self.readers[number];
            match reader.kind {
                Kind::Steady => break,
                Kind::Slow if now >= reader.acts_at || reader.acts_at == u64::MAX => {
                    reader.acts_at = now + TICK.as_nanos() as u64;
                    let room = &mut self.buffer[..self.slow_bytes];
                    if let Err(why) = reader.read_slowly(room, &mut self.counter) {
                        self.close(number, &why);
                    }
                }
                Kind::Vanishing if now >= reader.acts_at && reader.knows_where() => {
                    reader.acts_at = u64::MAX;
                    reader.leave();
                    self.counter.returned += 1;
                    self.unopened.insert(0, number);
                }
                _ => {}
            }
        }
    }

    /// Does what it is told; returns whether to go on.
    fn obey(&mut self, orders: &Receiver<Order>) -> io::Result<bool> {
        if self.ending.is_some() {
            self.end_if_over()?;
            return Ok(true);
        }
        match orders.try_recv() {
            Ok(Order::Begin { run }) => {
                self.counter.begin(run);
                self.readers.iter_mut().for_each(Reader::begin);
                say(&json!({"begun": run}))?;
            }
            Ok(Order::End { last, patience }) => {
                let since = clock::now();
                self.ending = Some(Ending {
                    last,
                    patience,
                    since,
                });
            }
            Ok(Order::Publish { .. } | Order::Quit) | Err(TryRecvError::Disconnected) => {
                return Ok(false);
            }
            Err(TryRecvError::Empty) => {}
        }
        Ok(true)
    }

    fn end_if_over(&mut self) -> io::Result<()> {
        let Some(ending) = &self.ending else {
            return Ok(());
        };
        let quiet_since = ending.since.max(self.counter.latest);
        let is_late = clock::now().saturating_sub(quiet_since) > ending.patience.as_nanos() as u64;
        let last = ending.last;
        let has_all = |reader: &Reader| match reader.kind {
            Kind::Slow | Kind::Never => true,
            Kind::Steady | Kind::Vanishing => reader.numbers.last >= last,
        };
        if is_late || self.readers.iter().all(has_all) {
            self.ending = None;
            say(&self.counter.report(&self.readers, last))?;
        }
        Ok(())
    }
}

/// The kind of each reader; the unusual ones come first.
fn kinds(arguments: &Arguments) -> Vec<Kind> {
    let mut kinds = vec![Kind::Slow; arguments.slow];
    kinds.extend(vec![Kind::Never; arguments.never]);
    kinds.extend(vec![Kind::Vanishing; arguments.vanishing]);
    kinds.resize(arguments.connections, Kind::Steady);
    kinds
}
