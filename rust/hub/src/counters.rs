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
    /// Repeated events and other frames that were dropped.
    pub duplicates: u64,
    /// Events that were none, or too large, and were dropped; readers were told.
    pub refused: u64,
    /// Events lost before they came here, as the kernels said.
    pub lost_by_links: u64,
    /// Events that producers over HTTP have left out, as their numbers say.
    pub lost_by_posts: u64,
    /// Readers that were closed because they took nothing for too long.
    pub stalled: u64,
    /// Gaps of readers that fell behind while they were connected.
    pub overflow_gaps: u64,
    /// Events that are missing in them.
    pub overflow_lost: u64,
    /// Events that readers were spared who wanted fewer.
    pub conflated: u64,
}

/// What one reader did not get, by its own doing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How often it fell behind, further than the log reaches.
    pub(crate) gaps: u64,
    /// How many events it lost by that.
    pub(crate) lost: u64,
    /// How many it was spared because it wanted fewer.
    pub(crate) conflated: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.gaps += other.gaps;
        // Kernels say how many they lost: any number.
        self.lost = self.lost.saturating_add(other.lost);
        self.conflated += other.conflated;
    }
}

impl Counters {
    /// Adds what a reader did not get between two looks at it.
    pub(crate) fn count_missed(&mut self, before: Tally, after: Tally) {
        self.overflow_gaps += after.gaps - before.gaps;
        let lost = after.lost.saturating_sub(before.lost);
        self.overflow_lost = self.overflow_lost.saturating_add(lost);
        self.conflated += after.conflated - before.conflated;
    }

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
            "lost_by_posts": self.lost_by_posts,
            "stalled": self.stalled,
            "overflow_gaps": self.overflow_gaps,
            "overflow_lost": self.overflow_lost,
            "conflated": self.conflated,
        })
    }
}
