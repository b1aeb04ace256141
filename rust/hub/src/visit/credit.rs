//! How a reader pulls: its producer may be ahead of it by a window, and one event.

use jupyter_sse_codec::frame::ToKernel;

use crate::state::{State, StreamKey};
use crate::stream::Stream;

/// How far a visit's producer may be ahead of its reader, in the measure of `frame::event_cost`; one event may go beyond.
pub(crate) const WINDOW: u64 = 64 << 10;

impl State {
    /// An event of a visit has come, whether or not it was taken.
    pub(crate) fn visit_event(&mut self, stream: StreamKey, cost: u64) {
        if let Some(visit) = self.visits.all.get_mut(&stream) {
            visit.received = visit.received.saturating_add(cost);
            self.visit_began(stream);
        }
    }

    /// The reader of a visit has got everything before event `next`: that is not held any longer, and more may come.
    pub(crate) fn visit_read(&mut self, stream: StreamKey, next: u64) {
        let visit = self.visits.all.get_mut(&stream);
        let Some(visit) = visit.filter(|it| it.next < next) else {
            return;
        };
        visit.next = next;
        let (producer, before) = (visit.producer, visit.granted);
        // The last one stays: its id says where the reader is.
        self.release(stream, next - 1);
        let granted = self.grant(stream);
        let is_ended = self.stream(stream).is_none_or(Stream::is_ended);
        if let Some((link, key)) = producer.filter(|_| granted > before && !is_ended) {
            let bytes = granted;
            self.tell(link, &ToKernel::Credit { key, bytes });
        }
    }

    /// What the producer of a visit is told of its reader's wishes when it is open, or its link is up again.
    pub(crate) fn tell_credit(&mut self, stream: StreamKey, out: &mut Vec<u8>) {
        let bytes = self.grant(stream);
        let visit = self.visits.all.get(&stream);
        if let Some((_, key)) = visit.and_then(|visit| visit.producer) {
            ToKernel::Credit { key, bytes }.encode(out);
        }
    }

    /// Grants what the reader has room for, where that is at least a quarter of the window more. Returns what is granted in all.
    fn grant(&mut self, stream: StreamKey) -> u64 {
        let Some(visit) = self.visits.all.get(&stream) else {
            return 0;
        };
        let held = self.stream(stream);
        let waiting = held.map_or(0, |it| it.log.bytes_from(visit.next));
        let may = (visit.received + WINDOW).saturating_sub(waiting);
        let Some(visit) = self.visits.all.get_mut(&stream) else {
            return 0;
        };
        if may >= visit.granted + WINDOW / 4 {
            visit.granted = may;
        }
        visit.granted
    }
}
