//! The clock that publishers on the same machine stamp events with, and what this process has used of a processor.

use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC`, ns.
pub fn now() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// The processor time of this thread, ns.
pub fn used() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}
