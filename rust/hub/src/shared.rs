//! What the reactor's thread shares with all others.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use mio::Waker;

use crate::arrivals::Arrivals;
use crate::clock::Clock;
use crate::portable::Portable;
use crate::reader::lock;
use crate::report::{Question, Report};
use crate::roster::ConnectionName;
use crate::socket::Socket;
use crate::state::State;
use crate::subscription::Subscription;

/// What other threads ask of the reactor.
#[derive(Debug)]
pub(crate) enum Command {
    /// Carry this subscription over this socket; `head` goes first.
    Attach {
        subscription: Subscription,
        socket: Socket,
        head: Vec<u8>,
    },
    /// Carry this subscription through [`Portable`].
    AttachPortable {
        id: u64,
        subscription: Subscription,
        head: Vec<u8>,
    },
    /// A portable reader rests, and holds something back for a time.
    ArmPortable { id: u64 },
    /// A portable reader is gone.
    DetachPortable { id: u64 },
    /// Other streams for a connection.
    Change {
        connection: ConnectionName,
        add: Vec<String>,
        remove: Vec<String>,
    },
    /// Say what can be seen of the readers.
    Report {
        question: Question,
        reply: SyncSender<Vec<Report>>,
    },
    /// Write what can be written, then end.
    Close,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Held for microseconds: no I/O, no Python, no formatting of long texts while it is held.
    pub(crate) state: Mutex<State>,
    pub(crate) portable: Portable,
    /// What readers of routes wait for before they are attached.
    pub(crate) begun: Arrivals,
    pub(crate) clock: Clock,
    /// `None` once the reactor is gone: what it would have carried is closed at once.
    commands: Mutex<Option<Vec<Command>>>,
    waker: Waker,
    is_woken: AtomicBool,
}

impl Shared {
    pub(crate) fn new(state: State, portable: Portable, begun: Arrivals, waker: Waker) -> Self {
        Self {
            state: Mutex::new(state),
            portable,
            begun,
            clock: Clock::new(),
            commands: Mutex::new(Some(Vec::new())),
            waker,
            is_woken: AtomicBool::new(false),
        }
    }

    /// Hands a command over.
    pub(crate) fn command(&self, command: Command) {
        if let Some(commands) = lock(&self.commands).as_mut() {
            commands.push(command);
        }
        self.wake();
    }

    /// The reactor is gone.
    pub(crate) fn close(&self) {
        *lock(&self.commands) = None;
    }

    /// Makes the reactor look. One system call however often it is called before the reactor does.
    pub(crate) fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // It fails only when the reactor's poll is gone, and then nobody is to be woken.
            let _ = self.waker.wake();
        }
    }

    /// The reactor takes what there is. The flag is put down first: what comes later wakes it again.
    pub(crate) fn take_commands(&self) -> Vec<Command> {
        self.is_woken.store(false, Ordering::Release);
        lock(&self.commands)
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }
}
