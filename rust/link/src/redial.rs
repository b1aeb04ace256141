use std::time::{Duration, Instant};

/// When the server is tried again: soon at first, then ever more rarely, and never by all kernels at once.
pub(crate) struct Redial {
    range: (Duration, Duration),
    pause: Duration,
    /// When to dial; while a connection is being made, when to give it up.
    due: Instant,
    linked_since: Option<Instant>,
}

impl Redial {
    pub(crate) fn new(range: (Duration, Duration)) -> Self {
        Self {
            range,
            pause: range.0,
            due: Instant::now(),
            linked_since: None,
        }
    }

    /// Until it is time to dial, or to give up a connection that is being made.
    pub(crate) fn time_left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// A connection is being made.
    pub(crate) fn begin(&mut self, handshake_timeout: Duration) {
        self.due = Instant::now() + handshake_timeout;
    }

    /// A connection is made. It shortens the pause only once it has proved to be of use: a server
    /// that accepts a link and drops it at its first frame must not be dialled every 50 ms.
    pub(crate) fn succeed(&mut self) {
        self.linked_since = Some(Instant::now());
    }

    /// The connection is of use.
    pub(crate) fn progress(&mut self) {
        self.pause = self.range.0;
    }

    /// The connection is lost, or there was none to be had.
    pub(crate) fn back_off(&mut self) {
        if self
            .linked_since
            .take()
            .is_some_and(|since| since.elapsed() > self.range.1)
        {
            self.progress();
        }
        self.due = Instant::now() + jittered(self.pause);
        self.pause = (self.pause * 2).min(self.range.1);
    }
}

/// Between half of `pause` and the whole of it.
fn jittered(pause: Duration) -> Duration {
    let fraction = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
    pause.mul_f64(0.5 + fraction / 2.0)
}
