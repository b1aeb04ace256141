//! The handle of a hub: what handlers and bindings call. No call waits for I/O; each holds the state's lock for microseconds.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jupyter_sse_codec::Epoch;
use mio::{Poll, Waker};
use serde_json::Value;

use crate::arrivals::Arrivals;
use crate::clock::millis;
use crate::door::Door;
use crate::log::Incoming;
use crate::options::HubOptions;
use crate::portable::{Piece, Portable};
use crate::post_body::{Body, Format};
use crate::producers::ProducerId;
use crate::publish::{Numbered, Posting, Publication};
use crate::query::{Query, subscribe};
use crate::random;
use crate::reactor::{Reactor, WAKER};
use crate::reader::lock;
use crate::report::{Question, Report};
use crate::roster::ConnectionName;
use crate::shared::{Command, Shared};
use crate::socket::Socket;
use crate::state::{Refusal, State};
use crate::subscription::Subscription;
use crate::visit::Begun;

/// How long the hub's threads may take to say what they see: they may have thousands to write to first.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);

/// How many streams are described while the state's lock is held once.
const DESCRIBED_AT_ONCE: usize = 256;

/// See the module's text. Dropping it closes the hub.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Where links come in; shut with the hub.
    door: Mutex<Option<Door>>,
    next_portable: AtomicU64,
}

impl Hub {
    /// Starts the hub's threads and, where a path is given, listens for links.
    ///
    /// # Errors
    ///
    /// The system gives no poll, no thread, or no socket at the path.
    pub fn start(options: HubOptions) -> io::Result<Self> {
        let threads = options.reactor_threads.max(1);
        let polls: Vec<Poll> = (0..threads)
            .map(|_| Poll::new())
            .collect::<io::Result<_>>()?;
        let wakers = polls.iter().map(|it| Waker::new(it.registry(), WAKER));
        let wakers = wakers.collect::<io::Result<_>>()?;
        let opened = options.link_path.as_deref().map(Door::open).transpose()?;
        let (door, mut listener) = opened.unzip();
        let epoch = Epoch::from_random(
            u128::from(random::below(u64::MAX)) << 64 | u128::from(random::below(u64::MAX)),
        );
        let shared = Arc::new(Shared::new(
            State::new(options, epoch),
            Portable::new()?,
            Arrivals::new()?,
            wakers,
        ));
        let hub = Self {
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
            door: Mutex::new(door),
            next_portable: AtomicU64::new(1),
        };
        for (number, poll) in polls.into_iter().enumerate() {
            let reactor = Reactor::new(number, Arc::clone(&shared), poll, listener.take())?;
            let thread = thread::Builder::new()
                .name("jupyter_sse hub".to_owned())
                .spawn(move || reactor.run())?;
            lock(&hub.threads).push(thread);
        }
        Ok(hub)
    }

    /// The life of this log.
    pub fn epoch(&self) -> String {
        lock(&self.shared.state).epoch().to_string()
    }

    /// What clients put before `/sse/<name>`.
    pub fn set_url(&self, url: &str) {
        url.clone_into(&mut lock(&self.shared.state).options_mut().url);
    }

    /// Fixes a new subscriber's cursors. One whose [`Subscription::visits`] has something has begun the runs of generators: it has to be
    /// attached, or [`Hub::forget`] has to be told.
    ///
    /// # Errors
    ///
    /// A bad name, an unknown stream, or [`Refusal::Ended`] where there is nothing left to read.
    pub fn subscribe(&self, query: Query) -> Result<Subscription, Refusal> {
        let now = self.shared.clock.now().unix;
        let mut state = lock(&self.shared.state);
        let subscription = subscribe(&mut state, query, now)?;
        if !subscription.visits().is_empty() {
            // Its head may wait a while: it is counted from now on.
            state.reader_came(subscription.connection, Arc::clone(subscription.guest()));
            drop(state);
            self.shared.wake();
        }
        Ok(subscription)
    }

    /// A subscriber that nobody has attached, nor will.
    pub fn forget(&self, mut subscription: Subscription) {
        if !subscription.visits().is_empty() {
            let mut state = lock(&self.shared.state);
            state.reader_left(subscription.connection);
            subscription.leave_visits(&mut state);
            drop(state);
            self.shared.wake();
        }
    }

    /// The descriptor that is readable when [`Hub::take_begun`] has something.
    #[cfg(unix)]
    pub fn begun_fileno(&self) -> i32 {
        self.shared.begun.fileno()
    }

    /// What visits began with whose response waits for it, each once.
    pub fn take_begun(&self) -> Vec<Begun> {
        self.shared.begun.take()
    }

    /// Carries a subscription over a socket, `head` first.
    pub fn attach(&self, subscription: Subscription, socket: Socket, head: Vec<u8>) {
        self.count(&subscription);
        self.shared.tell_next(Command::Attach {
            subscription,
            socket,
            head,
        });
    }

    /// A reader is let in, unless it was when it came.
    fn count(&self, subscription: &Subscription) {
        if subscription.visits().is_empty() {
            lock(&self.shared.state)
                .reader_came(subscription.connection, Arc::clone(subscription.guest()));
        }
    }

    /// Carries a subscription on the portable path, `head` first. Returns its name there.
    pub fn attach_portable(&self, subscription: Subscription, head: Vec<u8>) -> u64 {
        let id = self.next_portable.fetch_add(1, Ordering::Relaxed);
        self.count(&subscription);
        self.shared.tell_first(Command::AttachPortable {
            id,
            subscription,
            head,
        });
        id
    }

    /// The descriptor that is readable when [`Hub::drain`] has something.
    #[cfg(unix)]
    pub fn portable_fileno(&self) -> i32 {
        self.shared.portable.fileno()
    }

    /// One piece for each portable reader that has something to get.
    pub fn drain(&self) -> Vec<Piece> {
        let now = self.shared.clock.now();
        let (pieces, resting) = self.shared.portable.drain(&self.shared.state, now);
        for id in resting {
            self.shared.tell_first(Command::ArmPortable { id });
        }
        // Producers of visits are told how far their readers have come.
        if lock(&self.shared.state).has_news() {
            self.shared.wake();
        }
        pieces
    }

    /// A portable reader's last piece is written.
    pub fn drained(&self, id: u64) {
        self.shared.portable.drained(id);
    }

    /// The server stops: [`Hub::drain`] gives portable readers everything that there is, held back or not, then a time to come back,
    /// and closes them.
    pub fn let_portable_go(&self) {
        self.shared.portable.leave();
    }

    /// A portable reader has taken some of its piece: it is slow, and does not stall.
    pub fn note_taken(&self, id: u64) {
        let now = self.shared.clock.now();
        self.shared.portable.note_taken(id, now);
    }

    /// A portable reader is gone.
    pub fn detach_portable(&self, id: u64) {
        self.shared.tell_first(Command::DetachPortable { id });
    }

    /// Appends events to a stream that needs no kernel. Returns their positions.
    ///
    /// # Errors
    ///
    /// A bad name, a bound, or a run that a kernel owns.
    pub fn publish(&self, name: &str, events: &[Incoming<'_>]) -> Result<Vec<String>, Refusal> {
        let now = self.shared.clock.now().unix;
        let positions = lock(&self.shared.state).publish(name, events, now)?;
        self.shared.wake();
        Ok(positions.iter().map(ToString::to_string).collect())
    }

    /// Begins a POST whose body comes in pieces. `producer` is the id that its sender has chosen and the number of the body's first
    /// event, from which the others count on; `user` tells equal ids of two users apart.
    ///
    /// # Errors
    ///
    /// A bad name, or a run that a kernel owns.
    pub fn publication(
        &self,
        name: &str,
        format: Format,
        user: &str,
        producer: Option<(&str, u64)>,
    ) -> Result<Publication, Refusal> {
        let state = lock(&self.shared.state);
        state.may_post(name)?;
        let body = Body::new(format, state.options().max_event_bytes);
        drop(state);
        let numbered = producer.map(|(id, next)| Numbered {
            producer: ProducerId::new(user, id),
            next,
        });
        let posting = Posting::new(name, numbered);
        Ok(Publication::new(Arc::clone(&self.shared), body, posting))
    }

    /// Ends a stream: its producers are told to stop.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub fn end(&self, name: &str) -> Result<(), Refusal> {
        let now = self.shared.clock.now().unix;
        lock(&self.shared.state).end(name, now)?;
        self.shared.wake();
        Ok(())
    }

    /// All streams, as JSON.
    pub fn streams(&self) -> Value {
        let now = self.shared.clock.now().unix;
        let names = lock(&self.shared.state).stream_names();
        let pieces = names.chunks(DESCRIBED_AT_ONCE);
        pieces
            .flat_map(|piece| lock(&self.shared.state).describe_streams(piece, now))
            .collect()
    }

    /// One stream, as JSON.
    pub fn stream(&self, name: &str) -> Option<Value> {
        lock(&self.shared.state).describe_stream(name, self.shared.clock.now().unix)
    }

    /// All routes, as JSON.
    pub fn routes(&self) -> Value {
        lock(&self.shared.state).describe_routes()
    }

    /// Whether there is something to read under this name, or of this path.
    pub fn can_be_read(&self, name: &str) -> bool {
        lock(&self.shared.state).can_be_read(name)
    }

    /// The counters, as JSON.
    pub fn metrics(&self) -> Value {
        lock(&self.shared.state).describe_counters()
    }

    /// How many are connected now, of one user or in all.
    pub fn connections(&self, user: Option<&str>) -> usize {
        let state = lock(&self.shared.state);
        user.map_or(state.connections.len(), |user| {
            state.connections.of_user(user)
        })
    }

    /// How many are connected now from one address.
    pub fn connections_from(&self, address: &str) -> usize {
        lock(&self.shared.state).connections.of_address(address)
    }

    /// All readers, of one user or all, as JSON: what they read, how far behind they are, what they missed; who came first stands first.
    /// The hub's threads are asked, at most for [`REPORT_PATIENCE`].
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn readers(&self, user: Option<&str>) -> io::Result<String> {
        let mut reports = self.ask_for_reports(Question {
            user: user.map(str::to_owned),
            ..Question::default()
        })?;
        reports.sort_by(|one, two| (one.since, &one.id).cmp(&(two.since, &two.id)));
        let now = self.shared.clock.now();
        // One value at a time: of thousands of readers with hundreds of streams each, all at once are gigabytes.
        let mut text = String::from("[");
        for report in reports {
            let separator = if text.len() > 1 { "," } else { "" };
            // A text takes all that is written to it.
            let _ = write!(text, "{separator}{}", report.to_json(now));
        }
        text.push(']');
        Ok(text)
    }

    /// One stream as JSON, with the backlog of the reader that is furthest behind. The hub's threads are asked, as by [`Hub::readers`].
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn stream_with_backlog(&self, name: &str) -> io::Result<Option<Value>> {
        let Some(mut stream) = self.stream(name) else {
            return Ok(None);
        };
        let reports = self.ask_for_reports(Question {
            stream: Some(name.to_owned()),
            ..Question::default()
        })?;
        let backlogs = reports.iter().filter_map(|it| it.backlog_in(name));
        let largest = backlogs.max_by_key(|backlog| (backlog.events, backlog.bytes));
        let now = self.shared.clock.now();
        stream["largest_backlog"] = largest.map_or(Value::Null, |it| it.to_json(now));
        Ok(Some(stream))
    }

    fn ask_for_reports(&self, mut question: Question) -> io::Result<Vec<Report>> {
        let threads = self.shared.threads();
        let (reply, answer) = sync_channel(threads);
        question.until = self.shared.clock.now().mono + millis(REPORT_PATIENCE);
        let deadline = Instant::now() + REPORT_PATIENCE;
        self.shared.tell_all(|| Command::Report {
            question: question.clone(),
            reply: reply.clone(),
        });
        let mut reports = Vec::new();
        for _ in 0..threads {
            let left = deadline.saturating_duration_since(Instant::now());
            let part = answer.recv_timeout(left);
            reports.extend(part.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?);
        }
        Ok(reports)
    }

    /// Who owns a connection that can be changed.
    pub fn connection_user(&self, connection: &str) -> Option<String> {
        let connection = ConnectionName::parse(connection)?;
        let state = lock(&self.shared.state);
        state.connections.user(connection).map(str::to_owned)
    }

    /// Other streams for a connection, if there is one of this name. The first bad name of a stream refuses all.
    ///
    /// # Errors
    ///
    /// A bad name.
    pub fn change(
        &self,
        connection: &str,
        add: &[String],
        remove: &[String],
    ) -> Result<(), Refusal> {
        for target in add {
            let name = target
                .split_once('@')
                .map_or(target.as_str(), |(name, _)| name);
            lock(&self.shared.state).check_readable(name)?;
        }
        if let Some(connection) = ConnectionName::parse(connection) {
            self.shared.tell_all(|| Command::Change {
                connection,
                add: add.to_vec(),
                remove: remove.to_vec(),
            });
        }
        Ok(())
    }

    /// A token that reads one stream for `life`.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub fn issue_token(&self, name: &str, life: Duration) -> Result<String, Refusal> {
        let mut state = lock(&self.shared.state);
        if !state.can_be_read(name) {
            return Err(Refusal::Unknown(name.to_owned()));
        }
        let expires_at = self.shared.clock.now().unix.saturating_add(millis(life));
        Ok(state.tokens.issue(name, expires_at))
    }

    /// Whether a token reads a stream now.
    pub fn check_token(&self, token: &str, name: &str) -> bool {
        lock(&self.shared.state)
            .tokens
            .check(token, name, self.shared.clock.now().unix)
    }

    /// Takes back all tokens of a stream; who reads it by one has to go. Returns how many were good.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub fn revoke_tokens(&self, name: &str) -> Result<usize, Refusal> {
        let now = self.shared.clock.now().unix;
        let count = lock(&self.shared.state).revoke_tokens(name, now)?;
        self.shared.wake();
        Ok(count)
    }

    /// Writes what can be written, closes every connection and waits for the threads, at most `patience`.
    pub fn close(&self, patience: Duration) {
        let threads = std::mem::take(&mut *lock(&self.threads));
        if threads.is_empty() {
            return;
        }
        self.shared.tell_all(|| Command::Close);
        // A patience without bound has no deadline.
        let deadline = Instant::now().checked_add(patience);
        let is_early = || deadline.is_none_or(|deadline| Instant::now() < deadline);
        while !threads.iter().all(JoinHandle::is_finished) && is_early() {
            thread::sleep(Duration::from_millis(1));
        }
        for thread in threads.into_iter().filter(JoinHandle::is_finished) {
            // It ends by returning; a panic in it has been printed already.
            let _ = thread.join();
        }
        drop(lock(&self.door).take());
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close(Duration::from_millis(500));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::Hub;
    use crate::options::HubOptions;
    use crate::report::Question;
    use crate::shared::Command;

    #[test]
    fn a_question_for_whose_answer_nobody_waits_any_more_costs_the_thread_nothing() {
        let hub = Hub::start(HubOptions::default()).unwrap();
        let ask = |until| {
            let (reply, answer) = sync_channel(1);
            let question = Question {
                until,
                ..Question::default()
            };
            hub.shared.tell_first(Command::Report { question, reply });
            answer.recv()
        };
        assert!(ask(u64::MAX).is_ok());
        assert!(ask(0).is_err());
    }
}
