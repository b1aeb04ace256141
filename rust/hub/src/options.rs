//! What a hub may hold and how it talks: the settings of one server.

use std::path::PathBuf;
use std::time::Duration;

/// The bounds on what a log keeps for newcomers and returning readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryBounds {
    /// The most events kept.
    pub events: u64,
    /// The most bytes kept, counted on the wire plus a fixed cost per event.
    pub bytes: usize,
    /// The greatest age kept; `None`: no bound.
    pub age: Option<Duration>,
}

/// The settings of a hub. Every bound on memory stands here.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Where links and local subscriptions come in (a Unix socket); `None`: nowhere.
    pub link_path: Option<PathBuf>,
    /// What clients are told to put before `/sse/<name>`.
    pub url: String,
    /// The history of a stream that asks for nothing else.
    pub history: HistoryBounds,
    /// What is kept for connected readers beyond the history, in bytes for each stream.
    pub live_window_bytes: usize,
    /// What all logs together may hold, in bytes.
    pub max_total_bytes: usize,
    /// The largest event, in bytes on the wire.
    pub max_event_bytes: usize,
    /// The most streams, ended ones included.
    pub max_streams: usize,
    /// The silence after which a keep-alive is written, where a stream sets none.
    pub ping_interval: Duration,
    /// The middle of the `retry:` that readers are told.
    pub reconnection_time: Duration,
    /// How long an ended stream can still be read.
    pub ended_retention: Duration,
    /// How long a reader may take nothing of what waits for it before it is closed; `None`: for ever.
    pub stall_timeout: Option<Duration>,
    /// How many threads carry readers; the first has the links as well.
    pub reactor_threads: usize,
    /// How long one connection may last before its reader has to come back with a new request; `None`: no bound.
    pub max_connection_age: Option<Duration>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            link_path: None,
            url: String::new(),
            history: HistoryBounds {
                events: 10_000,
                bytes: 16 << 20,
                age: None,
            },
            live_window_bytes: 8 << 20,
            max_total_bytes: 1 << 30,
            max_event_bytes: 1 << 20,
            max_streams: 10_000,
            ping_interval: Duration::from_secs(15),
            reconnection_time: Duration::from_secs(2),
            ended_retention: Duration::from_secs(24 * 3600),
            stall_timeout: Some(Duration::from_secs(60)),
            reactor_threads: 1,
            max_connection_age: None,
        }
    }
}
