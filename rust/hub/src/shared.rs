//! What the hub's threads share with each other and with all others.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;

use mio::Waker;

use crate::arrivals::Arrivals;
use crate::clock::Clock;
use crate::portable::Portable;
use crate::reader::lock;
use crate::report::{Question, Report};
use crate::roster::ConnectionName;
use crate::socket::Socket;
use crate::state::{News, State};
use crate::subscription::Subscription;

/// What other threads ask of a reactor.
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

/// What one of the hub's threads is to do next.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) commands: Vec<Command>,
    /// What the first thread has found.
    pub(crate) news: News,
}

/// Where one of the hub's threads gets its [`Post`].
#[derive(Debug)]
struct Mailbox {
    /// `None` once its thread is gone: what it would have carried is closed at once.
    post: Mutex<Option<Post>>,
    waker: Waker,
    is_woken: AtomicBool,
}

impl Mailbox {
    fn put(&self, write: impl FnOnce(&mut Post)) {
        lock(&self.post).as_mut().map(write);
        self.wake();
    }

    /// Makes the thread look. One system call however often it is called before the thread does.
    fn wake(&self) {
        if !self.is_woken.swap(true, Ordering::AcqRel) {
            // It fails only when the thread's poll is gone, and then nobody is to be woken.
            let _ = self.waker.wake();
        }
    }
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
    /// One for each of the hub's threads.
    mailboxes: Vec<Mailbox>,
    /// Counts the readers that were given to a thread.
    turn: AtomicUsize,
}

impl Shared {
    /// `wakers` are those of the hub's threads, at least one.
    pub(crate) fn new(
        state: State,
        portable: Portable,
        begun: Arrivals,
        wakers: Vec<Waker>,
    ) -> Self {
        let mailboxes = wakers.into_iter().map(|waker| Mailbox {
            post: Mutex::new(Some(Post::default())),
            waker,
            is_woken: AtomicBool::new(false),
        });
        Self {
            state: Mutex::new(state),
            portable,
            begun,
            clock: Clock::new(),
            mailboxes: mailboxes.collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// How many threads the hub has.
    pub(crate) fn threads(&self) -> usize {
        self.mailboxes.len()
    }

    /// Hands a command to the thread that has the links and the portable readers.
    pub(crate) fn tell_first(&self, command: Command) {
        self.mailboxes[0].put(|post| post.commands.push(command));
    }

    /// Hands a new reader to the thread whose turn it is.
    pub(crate) fn tell_next(&self, command: Command) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.mailboxes[turn % self.threads()].put(|post| post.commands.push(command));
    }

    /// Hands a command to each thread.
    pub(crate) fn tell_all(&self, command: impl Fn() -> Command) {
        for mailbox in &self.mailboxes {
            mailbox.put(|post| post.commands.push(command()));
        }
    }

    /// The first thread tells the others what it has found.
    pub(crate) fn spread(&self, news: &News) {
        for mailbox in &self.mailboxes[1..] {
            mailbox.put(|post| post.news.add(news));
        }
    }

    /// A thread is gone.
    pub(crate) fn close(&self, thread: usize) {
        *lock(&self.mailboxes[thread].post) = None;
    }

    /// Something has changed in the state: the first thread finds out what.
    pub(crate) fn wake(&self) {
        self.mailboxes[0].wake();
    }

    /// A thread takes what there is for it. The flag is put down first: what comes later wakes it again.
    pub(crate) fn take_post(&self, thread: usize) -> Post {
        let mailbox = &self.mailboxes[thread];
        mailbox.is_woken.store(false, Ordering::Release);
        let mut post = lock(&mailbox.post);
        post.as_mut().map(std::mem::take).unwrap_or_default()
    }
}
