//! The two times that the hub goes by.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// What clocks on the wall say, in unix milliseconds: for people, ages and tokens.
    pub unix: u64,
    /// Milliseconds since some start, never set back: for timers.
    pub mono: u64,
}

/// A duration in whole milliseconds; one that is too long for them is the longest.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where [`Now`] comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Now {
            unix: millis(unix),
            mono: millis(self.start.elapsed()),
        }
    }
}
