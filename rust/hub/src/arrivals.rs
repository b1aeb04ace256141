//! What the heads of responses wait for, on its way from the hub's thread to somebody else's event loop.

use std::io;
use std::sync::Mutex;

use crate::reader::lock;
use crate::signal::Signal;
use crate::visit::Begun;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// No other lock is taken while it is held.
    begun: Mutex<Vec<Begun>>,
    signal: Signal,
}

impl Arrivals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            begun: Mutex::default(),
            signal: Signal::new()?,
        })
    }

    /// What becomes readable when [`Arrivals::take`] has something.
    #[cfg(unix)]
    pub(crate) fn fileno(&self) -> i32 {
        self.signal.fileno()
    }

    pub(crate) fn push(&self, begun: Vec<Begun>) {
        if !begun.is_empty() {
            lock(&self.begun).extend(begun);
            self.signal.raise();
        }
    }

    pub(crate) fn take(&self) -> Vec<Begun> {
        self.signal.take_down();
        std::mem::take(&mut *lock(&self.begun))
    }
}
