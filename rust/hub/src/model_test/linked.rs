//! What kernels do: open streams, send, end; their links write, break, come back; their processes go.

use jupyter_sse_codec::{EndReason, RunKind};
use jupyter_sse_link::{Command, Sent};

use super::kernel::Kernel;
use super::ledger::SentEvent;
use super::world::{NAMES, World};
use crate::log::Incoming;
use crate::reader::lock;
use crate::state::Refusal;

/// How many processes write at one time.
const KERNELS: usize = 3;

impl World {
    /// One of the kernels does something, or something happens to it.
    pub(super) fn step_of_kernel(&mut self) {
        while self.kernels.len() < KERNELS {
            self.serial += 1;
            let kernel = Kernel::new(self.serial, &mut self.random);
            self.kernels.push(kernel);
        }
        let at = self.random.below(KERNELS);
        if self.kernels[at].is_dead {
            self.bury(at);
            return;
        }
        match self.random.below(24) {
            0..=7 => self.send(at),
            8 => self.open(at),
            9 | 10 => self.end_producer(at),
            11..=19 => self.carry(at),
            20 => self.cut(at),
            21 => self.give_up_or_die(at),
            22 => self.post(),
            _ => self.stop_stream(),
        }
        self.kernels[at].check_bounds();
    }

    fn open(&mut self, at: usize) {
        let name = *self.random.pick(&NAMES);
        let kind = *self.random.pick(&[RunKind::Run, RunKind::Send]);
        let options = *self.random.pick(&["{}", r#"{"history": {"events": 3}}"#]);
        let kernel = &mut self.kernels[at];
        if let Ok(key) = kernel.link.open(name, kind, options) {
            kernel.ledger.mark();
            kernel.producers.push(key);
        }
    }

    fn send(&mut self, at: usize) {
        if self.kernels[at].producers.is_empty() {
            return self.open(at);
        }
        for _ in 0..=self.random.below(12) {
            let producers = &self.kernels[at].producers;
            let newest = producers.len().saturating_sub(2);
            let key = *self.random.pick(&producers[newest..]);
            self.serial += 1;
            let event = self.event_to_send();
            let kernel = &mut self.kernels[at];
            let SentEvent { kind, id, data } = &event;
            match kernel.link.send(key, kind, id, data, self.now) {
                Ok(Sent::Queued) => kernel.ledger.send(key, event),
                Ok(Sent::Full { .. }) => return self.journal.count_one("link full"),
                // It has been refused, and its maker hears so.
                Err(_) => return,
            }
        }
    }

    /// An event that no other is like.
    fn event_to_send(&mut self) -> SentEvent {
        let serial = self.serial;
        // What is larger than the hub allows is a loss for its readers.
        let is_refused = self.is_lossy && self.random.once_in(2);
        let large = if self.random.once_in(20) { 2500 } else { 40 };
        let padding = if is_refused {
            3000
        } else {
            self.random.below(large)
        };
        let data = format!("{serial}\n{}", "x".repeat(padding));
        let id = if self.random.once_in(3) {
            format!("own {serial}")
        } else {
            String::new()
        };
        let kind = (*self.random.pick(&["", "", "tick", "a:b"])).to_owned();
        SentEvent { kind, id, data }
    }

    fn end_producer(&mut self, at: usize) {
        if self.kernels[at].producers.is_empty() {
            return;
        }
        let key = *self.random.pick(&self.kernels[at].producers);
        self.end_key(at, key, EndReason::Done);
    }

    fn end_key(&mut self, at: usize, key: u32, reason: EndReason) {
        let kernel = &mut self.kernels[at];
        kernel.producers.retain(|it| *it != key);
        // One that was refused has nothing to end.
        let before = kernel.ledger.last_seq();
        if kernel.link.end(key, reason, "").is_ok() && kernel.link.last_seq() > before {
            kernel.ledger.mark();
        }
    }

    /// Bytes go up and down, as far as they happen to.
    pub(super) fn carry(&mut self, at: usize) {
        if self.kernels[at].pipe.is_none() {
            self.kernels[at].connect();
            self.journal.count_one("dialled");
        }
        if self.random.once_in(2) {
            self.read_old_pipe(at);
        }
        let room = *self.random.pick(&[60, 700, 5000, 1 << 20]);
        let kernel = &mut self.kernels[at];
        if let Some(pipe) = &mut kernel.pipe {
            kernel.link.write(room, &mut pipe.up);
            let count = self.random.below(pipe.up.len() + 1);
            self.read_from(at, count, false);
        }
        self.write_down(at);
        self.obey(at);
    }

    /// The link reads a part of what the hub has written.
    pub(super) fn write_down(&mut self, at: usize) {
        let kernel = &mut self.kernels[at];
        let Some(pipe) = &mut kernel.pipe else { return };
        let count = self.random.below(pipe.down.len() + 1);
        let bytes: Vec<u8> = pipe.down.drain(..count).collect();
        kernel.link.receive(&bytes).unwrap();
    }

    /// The kernel hears what its link was told.
    pub(super) fn obey(&mut self, at: usize) {
        while let Some(command) = self.kernels[at].link.next_command() {
            match command {
                Command::Stop { key } => {
                    self.journal.count_one("told to stop");
                    let is_open = self.kernels[at].producers.contains(&key);
                    if is_open && !self.random.once_in(5) {
                        self.end_key(at, key, EndReason::Stopped);
                    }
                }
                Command::Refused { key, refusal } => {
                    self.journal
                        .count_one(&format!("refused {}", refusal.reason));
                    self.kernels[at].producers.retain(|it| *it != key);
                }
                Command::Lost { .. } => self.journal.count_one("dropped by a link"),
                Command::Linked
                | Command::Unlinked { .. }
                | Command::Begin { .. }
                | Command::Credit { .. } => {}
            }
        }
    }

    /// The connection of a link breaks. The hub hears of it at once, later, or from the next one.
    fn cut(&mut self, at: usize) {
        if self.kernels[at].old_pipe.is_some() {
            self.close_old_pipe(at);
        }
        self.journal.count_one("cut");
        self.write_down(at);
        self.kernels[at].hang_up();
        if self.random.once_in(2) {
            self.read_old_pipe(at);
        }
    }

    /// The hub reads some of what is left on a connection that is dead, and at its end hears that it is.
    fn read_old_pipe(&mut self, at: usize) {
        let Some(pipe) = &self.kernels[at].old_pipe else {
            return;
        };
        let left = pipe.up.len();
        let count = self.random.below(left + 1);
        self.journal.count_one("heard from a dead connection");
        self.read_from(at, count, true);
        if count == left {
            self.close_old_pipe(at);
        }
    }

    fn close_old_pipe(&mut self, at: usize) {
        let kernel = &mut self.kernels[at];
        // Where the link is back already, this is none of its matter any more.
        let is_back = kernel.pipe.as_ref().is_some_and(|pipe| pipe.is_linked);
        let old = kernel.old_pipe.take();
        if old.is_some_and(|pipe| pipe.is_linked) && !is_back {
            lock(&self.state).link_down(&kernel.id);
        }
    }

    /// The hub takes a link for gone: rightly, or because it has not seen it for too long.
    fn give_up_or_die(&mut self, at: usize) {
        if !self.random.once_in(4) {
            return;
        }
        self.cut(at);
        if self.random.once_in(2) {
            self.kernels[at].is_dead = true;
            return;
        }
        self.journal.count_one("given up");
        self.close_old_pipe(at);
        self.forget_link(at);
    }

    /// The hub learns that a process is gone.
    fn bury(&mut self, at: usize) {
        self.journal.count_one("process gone");
        self.read_old_pipe(at);
        self.close_old_pipe(at);
        self.forget_link(at);
        self.kernels.swap_remove(at);
    }

    fn forget_link(&mut self, at: usize) {
        let kernel = &mut self.kernels[at];
        kernel.opened.clear();
        lock(&self.state).link_gone(&kernel.id, self.now);
        self.note_ends();
    }

    /// Somebody publishes over HTTP.
    fn post(&mut self) {
        let name = *self.random.pick(&NAMES);
        self.serial += 1;
        let event = self.event_to_send();
        let body = body_of(&event.data);
        let incoming = Incoming {
            event: event.kind.as_bytes(),
            id: event.id.as_bytes(),
            body: &body,
        };
        let before = self.run_of(name);
        let posted = lock(&self.state).publish(name, &[incoming], self.now);
        match posted {
            Ok(positions) => {
                assert_eq!(positions.len(), 1);
                self.note_run(name, before);
                self.note_event(name, event);
                self.journal.count_one("posted");
            }
            Err(Refusal::Owned(_)) => {
                let state = lock(&self.state);
                let (_, stream) = state.find(name).unwrap();
                assert!(stream.run.kind == RunKind::Run && !stream.is_ended());
            }
            Err(refusal) => assert!(matches!(refusal, Refusal::Limit(_))),
        }
    }

    /// Somebody wants a stream to end.
    fn stop_stream(&mut self) {
        let name = *self.random.pick(&NAMES);
        let _ = lock(&self.state).end(name, self.now);
        self.note_ends();
    }

    /// Everything that producers have said gets to the hub.
    pub(super) fn finish_kernels(&mut self) {
        for at in 0..self.kernels.len() {
            if self.kernels[at].is_dead {
                continue;
            }
            for _ in 0..10_000 {
                self.carry(at);
                self.turn();
                if self.kernels[at].is_quiet() {
                    break;
                }
            }
            assert!(self.kernels[at].is_quiet(), "a link that never rests");
            self.kernels[at].ledger.check_settled();
        }
    }

    /// The hub's frames that answer nothing go to their links, as far as those are up.
    pub(super) fn tell_kernels(&mut self) {
        for (id, frame) in std::mem::take(&mut lock(&self.state).outbox) {
            let kernel = self.kernels.iter_mut().find(|it| it.id == id);
            let pipe = kernel.and_then(|it| it.pipe.as_mut());
            if let Some(pipe) = pipe.filter(|pipe| pipe.is_linked) {
                pipe.down.extend_from_slice(&frame);
            }
        }
    }

    /// The hub reads so many bytes of a connection, does what they say, and answers.
    fn read_from(&mut self, at: usize, count: usize, is_old: bool) {
        let pipe = |kernel: &mut Kernel| {
            if is_old {
                kernel.old_pipe.take()
            } else {
                kernel.pipe.take()
            }
        };
        let Some(mut pipe) = pipe(&mut self.kernels[at]) else {
            return;
        };
        let bytes: Vec<u8> = pipe.up.drain(..count).collect();
        pipe.input.extend_from_slice(&bytes);
        self.hear(at, &mut pipe);
        let kernel = &mut self.kernels[at];
        if is_old {
            kernel.old_pipe = Some(pipe);
        } else {
            kernel.pipe = Some(pipe);
        }
    }
}

pub(super) fn body_of(data: &str) -> Vec<u8> {
    let mut body = Vec::new();
    jupyter_sse_codec::encode_body(&mut body, Some(data), None, None);
    body
}
