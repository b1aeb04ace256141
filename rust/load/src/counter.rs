//! What all readers together have got in one run.

use serde_json::{Value, json};

use crate::clock;
use crate::histogram::Histogram;
use crate::reader::{Kind, Reader};

/// See the module's text.
#[derive(Debug, Default)]
pub struct Counter {
    /// The run whose events count.
    pub run: u64,
    deliveries: u64,
    /// Events of other runs.
    stale: u64,
    /// Events with other data.
    other: u64,
    pub bytes: u64,
    /// Calls of `recv()` that brought something.
    pub reads: u64,
    /// Connections that the server closed, since the start.
    pub closed: u64,
    /// Readers that came back, since the start.
    pub returned: u64,
    first: u64,
    /// When the last event came.
    pub latest: u64,
    /// Of readers that read all the time and as fast as they can.
    latency: Histogram,
    used_before: u64,
}

impl Counter {
    /// Forgets everything but what counts since the start.
    pub fn begin(&mut self, run: u64) {
        self.latency.clear();
        *self = Self {
            run,
            closed: self.closed,
            returned: self.returned,
            latency: std::mem::take(&mut self.latency),
            used_before: clock::used(),
            ..Self::default()
        };
    }

    /// An event of the run came.
    pub fn deliver(&mut self, kind: Kind, due: u64, now: u64) {
        self.deliveries += 1;
        if self.first == 0 {
            self.first = now;
        }
        self.latest = now;
        if kind == Kind::Steady {
            self.latency.record(now.saturating_sub(due));
        }
    }

    /// An event of another run came.
    pub fn note_stale(&mut self) {
        self.stale += 1;
    }

    /// An event with other data came.
    pub fn note_other(&mut self) {
        self.other += 1;
    }

    /// Everything there is to say when `last` was the last event of the run.
    pub fn report(&self, readers: &[Reader], last: u64) -> Value {
        let (mut connected, mut missing, mut skipped, mut announced, mut unannounced) =
            (0, 0, 0, 0, 0);
        let (mut duplicates, mut disordered) = (0, 0);
        for reader in readers {
            connected += u64::from(reader.is_streaming());
            if reader.kind == Kind::Never {
                continue;
            }
            // Who reads slowly may still be on the way.
            let absent = match reader.kind {
                Kind::Slow => reader.numbers.skipped,
                _ => reader.numbers.missing(last),
            };
            missing += absent;
            skipped += reader.numbers.skipped;
            announced += reader.announced;
            unannounced += absent.saturating_sub(reader.announced);
            duplicates += reader.numbers.duplicates;
            disordered += reader.numbers.disordered;
        }
        json!({
            "run": self.run,
            "connections": readers.len(),
            "connected": connected,
            "closed": self.closed,
            "returned": self.returned,
            "deliveries": self.deliveries,
            "seconds": self.latest.saturating_sub(self.first) as f64 / 1e9,
            "bytes": self.bytes,
            "reads": self.reads,
            "missing": missing,
            "gaps": skipped,
            "announced": announced,
            "unannounced": unannounced,
            "duplicates": duplicates,
            "disordered": disordered,
            "stale": self.stale,
            "other": self.other,
            "p50_ms": self.latency.quantile_ms(0.5),
            "p99_ms": self.latency.quantile_ms(0.99),
            "max_ms": self.latency.max_ms(),
            "cpu_seconds": clock::used().saturating_sub(self.used_before) as f64 / 1e9,
        })
    }
}
