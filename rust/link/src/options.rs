use std::path::PathBuf;
use std::time::Duration;

/// How a link behaves. [`LinkOptions::new`] gives the defaults; the fields are there to be changed.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// The server's Unix socket. It need not exist yet.
    pub path: PathBuf,
    /// Who the producer is, the same for all processes of one kernel.
    pub kernel: String,
    /// What people call it.
    pub label: String,
    /// How many bytes of events may wait for the server's confirmation, sent or not.
    pub max_unsent_bytes: usize,
    /// What one event's data, retry and comment lines may take, in bytes.
    pub max_event_bytes: usize,
    /// How long a full link waits for the server before it drops its oldest events.
    pub overflow_after: Duration,
    /// The shortest and the longest pause between two attempts to reach the server, before jitter.
    pub redial: (Duration, Duration),
    /// How long the server may take to answer a new connection before another one is tried.
    pub handshake_timeout: Duration,
}

impl LinkOptions {
    /// The defaults: 64 MiB, 1 MiB an event, 30 s of patience, attempts every 50 ms to 2 s.
    pub fn new(
        path: impl Into<PathBuf>,
        kernel: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            kernel: kernel.into(),
            label: label.into(),
            max_unsent_bytes: 64 * 1024 * 1024,
            max_event_bytes: jupyter_sse_codec::MAX_EVENT_BYTES,
            overflow_after: Duration::from_secs(30),
            redial: (Duration::from_millis(50), Duration::from_secs(2)),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}
