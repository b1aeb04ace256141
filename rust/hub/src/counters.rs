//! What the hub counts, for `/api/sse/metrics`.

use serde_json::{Value, json};

/// Totals since the hub started, but for those named "now".
#[derive(Debug, Default, Clone)]
pub struct Counters {
    /// Events appended.
    pub events: u64,
    /// Their bytes, as they came in.
    pub event_bytes: u64,
    /// Events written to subscribers, once for each.
    pub deliveries: u64,
    /// Bytes written to subscribers.
    pub delivered_bytes: u64,
    /// Subscribers that came.
    pub connections_opened: u64,
    /// Subscribers that are here now.
    pub connections: u64,
    /// Links that are here now.
    pub links: u64,
    /// Repeated frames that were dropped.
    pub duplicates: u64,
    /// Events that were none, or too large, and were dropped; readers were told.
    pub refused: u64,
    /// Events lost before they came here, as the kernels said.
    pub lost_by_links: u64,
    /// Events that readers were spared who wanted fewer.
    pub conflated: u64,
}

impl Counters {
    pub(crate) fn describe(&self) -> Value {
        json!({
            "events": self.events,
            "event_bytes": self.event_bytes,
            "deliveries": self.deliveries,
            "delivered_bytes": self.delivered_bytes,
            "connections_opened": self.connections_opened,
            "connections": self.connections,
            "links": self.links,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "lost_by_links": self.lost_by_links,
            "conflated": self.conflated,
        })
    }
}
