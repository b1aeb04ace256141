//! The hub hears kernels, as its `peer` does, and the judge looks on: what each frame may do, and that it does that and nothing else.

use jupyter_sse_codec::RunKind;
use jupyter_sse_codec::frame::{ToHub, ToKernel, VERSION, split};

use super::kernel::Pipe;
use super::ledger::SentEvent;
use super::linked::body_of;
use super::published::Event;
use super::world::{NAMES, World};
use crate::links::LinkState;
use crate::reader::lock;
use crate::stream::ProducerInfo;

/// No frame of the simulation is longer.
const MAX_FRAME_BYTES: usize = 1 << 16;

/// What a live run is like when somebody else comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LiveRun {
    pub(super) number: u32,
    kind: RunKind,
    kernel: Option<String>,
    is_ended: bool,
}

impl World {
    /// The hub does what the whole frames say, and sends a receipt for them.
    pub(super) fn hear(&mut self, at: usize, pipe: &mut Pipe) {
        let mut used = 0;
        let input = std::mem::take(&mut pipe.input);
        while let Some((payload, taken)) = split(&input[used..], MAX_FRAME_BYTES).unwrap() {
            used += taken;
            let frame = ToHub::decode(payload).unwrap();
            self.journal
                .note(|| format!("    {at} says {}", brief(&frame)));
            if pipe.is_linked {
                self.frame(at, &frame, &mut pipe.down);
            } else {
                self.hello(at, &frame, &mut pipe.down);
                pipe.is_linked = true;
            }
        }
        pipe.input = input[used..].to_vec();
        let id = self.kernels[at].id;
        let link = lock(&self.state).links.get(&id).map(LinkState::last_seq);
        let seq = link.filter(|_| pipe.is_linked).unwrap_or_default();
        if seq > pipe.acked_seq {
            pipe.acked_seq = seq;
            ToKernel::Ack { seq }.encode(&mut pipe.down);
        }
    }

    fn hello(&mut self, at: usize, frame: &ToHub<'_>, reply: &mut Vec<u8>) {
        let ToHub::Hello {
            version: VERSION,
            link,
            kernel,
            label,
            ..
        } = *frame
        else {
            panic!("not a hello: {frame:?}");
        };
        // As the reactor does: what is unread on the connection before will be said again on this one.
        self.kernels[at].old_pipe = None;
        let producer = ProducerInfo {
            kernel: kernel.to_owned(),
            label: label.to_owned(),
            // Readers are told this number, and it must not have a say in what happens.
            pid: 7,
        };
        let welcome = lock(&self.state).link_up(link, producer);
        let (payload, taken) = split(&welcome, MAX_FRAME_BYTES).unwrap().unwrap();
        let ToKernel::Welcome {
            version,
            epoch,
            known,
            last_seq,
            ..
        } = ToKernel::decode(payload).unwrap()
        else {
            panic!("no welcome");
        };
        let how = if known { "welcomed back" } else { "welcomed" };
        self.journal.count_one(how);
        // Its text names this process: as above.
        ToKernel::Welcome {
            version,
            epoch,
            known,
            last_seq,
            server: "{}",
        }
        .encode(reply);
        reply.extend_from_slice(&welcome[taken..]);
    }

    fn frame(&mut self, at: usize, frame: &ToHub<'_>, reply: &mut Vec<u8>) {
        let before = lock(&self.state).seq();
        match *frame {
            ToHub::Open { seq, .. } if seq == 0 || self.kernels[at].ledger.take(seq) => {
                self.open_frame(at, frame, reply);
                assert_eq!(lock(&self.state).seq(), before, "an open is no event");
            }
            ToHub::Event {
                seq,
                key,
                event,
                id,
                body,
            } if self.kernels[at].ledger.take(seq) => {
                let data = data_in(body);
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let (kind, id) = (text(event), text(id));
                let came = SentEvent { kind, id, data };
                assert_eq!(body, body_of(&came.data));
                self.kernels[at].ledger.take_event(seq, key, &came);
                let target = self.writable(at, key);
                self.pass_on(at, frame, reply);
                self.judge_event(target, came, before);
            }
            ToHub::Lost { seq, key, count } if self.kernels[at].ledger.take(seq) => {
                self.kernels[at].ledger.take_loss(seq, key, count);
                let target = self.writable(at, key);
                self.pass_on(at, frame, reply);
                self.judge_loss(target, count, before);
            }
            ToHub::End { seq, key, .. } if self.kernels[at].ledger.take(seq) => {
                self.pass_on(at, frame, reply);
                self.kernels[at].opened.remove(&key);
                assert_eq!(lock(&self.state).seq(), before, "an end is no event");
            }
            _ => {
                self.journal.count_one("said again");
                let runs = NAMES.map(|name| self.run_of(name));
                self.pass_on(at, frame, reply);
                assert_eq!(lock(&self.state).seq(), before, "a frame that counts twice");
                assert_eq!(NAMES.map(|name| self.run_of(name)), runs);
            }
        }
        self.note_ends();
    }

    fn pass_on(&mut self, at: usize, frame: &ToHub<'_>, reply: &mut Vec<u8>) {
        let id = self.kernels[at].id;
        lock(&self.state).link_frame(&id, frame, self.now, reply);
    }

    /// The stream that the hub must append to what comes under this key; `None`: its run is over, or never was.
    fn writable(&self, at: usize, key: u32) -> Option<&'static str> {
        let &(name, run) = self.kernels[at].opened.get(&key)?;
        let live = self.run_of(name)?;
        (live.number == run && !live.is_ended).then_some(name)
    }

    fn judge_event(&mut self, target: Option<&'static str>, came: SentEvent, before: u64) {
        let Some(name) = target else {
            self.journal.count_one("late");
            assert_eq!(
                lock(&self.state).seq(),
                before,
                "an event of a run that is over"
            );
            return;
        };
        assert_eq!(lock(&self.state).seq(), before + 1, "{name}: one event");
        if body_of(&came.data).len() > lock(&self.state).options().max_event_bytes {
            self.journal.count_one("too large");
            self.published.get_mut(name).unwrap().lose(1);
        } else {
            self.note_event(name, came);
        }
    }

    fn judge_loss(&mut self, target: Option<&'static str>, count: u64, before: u64) {
        match target {
            Some(name) => {
                self.journal.count_one("loss announced by a link");
                assert_eq!(lock(&self.state).seq(), before + 1, "{name}: one hole");
                self.published.get_mut(name).unwrap().lose(count as usize);
            }
            None => assert_eq!(lock(&self.state).seq(), before),
        }
    }

    /// A stream is opened, or only made sure of.
    fn open_frame(&mut self, at: usize, frame: &ToHub<'_>, reply: &mut Vec<u8>) {
        let ToHub::Open {
            key, kind, stream, ..
        } = *frame
        else {
            return;
        };
        let kind = RunKind::from_u8(kind).unwrap();
        let name = *NAMES.iter().find(|name| **name == stream).unwrap();
        let before = self.run_of(name);
        let mut answer = Vec::new();
        self.pass_on(at, frame, &mut answer);
        let after = self.run_of(name);
        let (payload, _) = split(&answer, MAX_FRAME_BYTES).unwrap().unwrap();
        let ToKernel::Opened { run, error, .. } = ToKernel::decode(payload).unwrap() else {
            panic!("no answer to an open");
        };
        let kernel = &mut self.kernels[at];
        if let Some(&(_, opened)) = kernel.opened.get(&key) {
            self.journal.count_one("made sure of");
            assert_eq!((run, error), (opened, ""));
            assert_eq!(before, after, "a key that is open starts nothing");
        } else if error.is_empty() {
            assert!(
                !kernel.refused.contains(&key),
                "{name}: what came while it was refused is lost"
            );
            kernel.opened.insert(key, (name, run));
            self.judge_open(at, kind, before.as_ref(), after.as_ref().unwrap());
            self.note_run(name, before);
        } else {
            let is_news = kernel.refused.insert(key);
            assert_eq!(before, after, "{name}: a refusal changes nothing");
            let is_owned = self.is_anothers(at, kind, before.as_ref());
            assert!(!is_news || is_owned == error.contains("owned"));
        }
        reply.extend_from_slice(&answer);
    }

    /// Another kernel has the stream for itself.
    fn is_anothers(&self, at: usize, kind: RunKind, live: Option<&LiveRun>) -> bool {
        let live = live.filter(|it| !it.is_ended);
        live.is_some_and(|it| {
            let is_own = it.kernel.as_deref() == Some(self.kernels[at].name);
            let is_exclusive =
                it.kind == RunKind::Run || (kind, it.kind) == (RunKind::Run, RunKind::Send);
            is_exclusive && !is_own
        })
    }

    fn judge_open(&mut self, at: usize, kind: RunKind, before: Option<&LiveRun>, after: &LiveRun) {
        assert!(!after.is_ended && !self.is_anothers(at, kind, before));
        match before {
            Some(live) if !live.is_ended && kind == RunKind::Send => {
                self.journal.count_one("joined");
                assert_eq!(live, after);
            }
            Some(earlier) => {
                self.journal.count_one("run again");
                assert_eq!(after.number, earlier.number + 1);
            }
            None => {}
        }
    }

    pub(super) fn run_of(&self, name: &str) -> Option<LiveRun> {
        let state = lock(&self.state);
        let (_, stream) = state.find(name)?;
        Some(LiveRun {
            number: stream.run.number,
            kind: stream.run.kind,
            kernel: stream.run.producer.as_ref().map(|it| it.kernel.clone()),
            is_ended: stream.is_ended(),
        })
    }

    /// The hub has appended this, just now.
    pub(super) fn note_event(&mut self, name: &str, event: SentEvent) {
        let state = lock(&self.state);
        let (_, stream) = state.find(name).unwrap();
        let event = Event {
            n: stream.log.next() - 1,
            seq: state.seq(),
            at: self.now,
            run: stream.run.number,
            kind: if event.kind.is_empty() {
                "message".to_owned()
            } else {
                event.kind
            },
            id: event.id,
            data: event.data,
        };
        drop(state);
        self.published.get_mut(name).unwrap().push(event);
    }

    /// A stream may have begun a new run.
    pub(super) fn note_run(&mut self, name: &str, before: Option<LiveRun>) {
        let after = self.run_of(name);
        if after.map(|it| it.number) != before.map(|it| it.number) {
            self.note_new_run(name);
        }
    }

    /// Notes where runs have ended.
    pub(super) fn note_ends(&mut self) {
        let state = lock(&self.state);
        for (_, stream) in state.streams().filter(|(_, stream)| stream.is_ended()) {
            let published = self.published.get_mut(&*stream.name).unwrap();
            let end = published.units.len();
            published.run_ends.entry(stream.run.number).or_insert(end);
        }
    }
}

/// What `encode_body` made its lines of.
fn data_in(body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.collect::<Vec<_>>().join("\n")
}

fn brief(frame: &ToHub<'_>) -> String {
    match frame {
        ToHub::Event { seq, key, body, .. } => {
            let number = data_in(body).lines().next().unwrap_or_default().to_owned();
            format!("Event {{ seq: {seq}, key: {key}, number: {number} }}")
        }
        other => format!("{other:?}"),
    }
}
