//! Visits whose producer changes: their route is opened again or taken away, its link breaks, comes back or is gone.

use jupyter_sse_codec::frame::ToKernel;
use jupyter_sse_codec::{EndReason, RunKind};
use serde_json::{Value, json};

use super::request::{end_number_of, parameters_of};
use super::{Begin, Visit};
use crate::route::Route;
use crate::state::{State, StreamKey};
use crate::stream::{LinkId, Producer};

impl State {
    /// A route was opened: those who read an earlier one of its family get a run of it, and those whose run is over.
    pub(crate) fn begin_again(&mut self, route: &Route, earlier: Option<Producer>, now: u64) {
        for stream in self.visits_for(route) {
            self.leave_producer(stream);
            self.move_visit(stream, route, now);
            self.begin(stream);
        }
        if let Some(earlier) = earlier {
            self.forget_begins(|begin| begin.owner == earlier);
        }
    }

    fn visits_for(&self, route: &Route) -> Vec<StreamKey> {
        let is_its = |(key, visit): &(&StreamKey, &Visit)| {
            let Some(stream) = self.stream(**key) else {
                return false;
            };
            let is_free = visit.kernel == route.producer.kernel || stream.is_ended();
            let found = self.routes.find(&stream.name);
            is_free && found.is_some_and(|(it, _)| it.serial == route.serial)
        };
        let visits = self.visits.all.iter().filter(is_its);
        visits.map(|(&key, _)| key).collect()
    }

    /// A visit is of this route from now on: a new run of its stream.
    fn move_visit(&mut self, key: StreamKey, route: &Route, now: u64) {
        let last_event_id = self.last_id_read(key);
        let mut parameters = None;
        if let Some(stream) = self.stream_mut(key) {
            parameters = route.pattern.matches(&stream.name);
            stream.start_run(RunKind::Visit, Some(route.producer.clone()), now);
            stream.ping_interval = route.ping_interval;
            stream.end_number = Some(end_number_of(route.serial));
        }
        self.mark_dirty(key);
        let Some(visit) = self.visits.all.get_mut(&key) else {
            return;
        };
        let (old, new) = (visit.owner.0, route.owner.0);
        (visit.route, visit.owner) = (route.serial, route.owner);
        visit.kernel.clone_from(&route.producer.kernel);
        let mut request: Value = serde_json::from_str(&visit.request).unwrap_or_default();
        if let Some(id) = last_event_id {
            request["last_event_id"] = json!(id);
        }
        request["path_params"] = parameters_of(parameters.unwrap_or_default());
        visit.request = request.to_string().into();
        self.visits.count_less(&old);
        self.visits.count_more(new);
    }

    /// Whoever feeds a visit, or is about to, does so no more.
    fn leave_producer(&mut self, key: StreamKey) {
        let Some(visit) = self.visits.all.get_mut(&key) else {
            return;
        };
        let (begin, producer) = (visit.begin.take(), visit.producer.take());
        if let Some(number) = begin {
            self.visits.orphan(number);
        }
        if let Some((link, key)) = producer {
            self.tell(link, &ToKernel::Stop { key });
        }
    }

    /// The id of the last event that a visit's reader has got.
    fn last_id_read(&self, key: StreamKey) -> Option<String> {
        let n = self.visits.all.get(&key)?.next.checked_sub(1)?;
        self.stream(key)?.log.id_of(self.epoch(), n)
    }

    /// A route was taken away: who waits for a run of it does so in vain.
    pub(crate) fn route_closed(&mut self, owner: Producer, now: u64) {
        self.end_waiting(|visit| visit.owner == owner, EndReason::Stopped, now);
        self.forget_begins(|begin| begin.owner == owner);
    }

    /// A link is gone. The runs that it fed have ended already.
    pub(crate) fn visits_lost(&mut self, id: &LinkId, now: u64) {
        self.end_waiting(|visit| visit.owner.0 == *id, EndReason::Lost, now);
        let begins = &mut self.visits.begins;
        begins.retain(|_, begin| begin.owner.0 != *id);
        self.visits.counts.remove(id);
    }

    fn end_waiting(&mut self, is_meant: impl Fn(&Visit) -> bool, reason: EndReason, now: u64) {
        let waiting = |visit: &Visit| visit.begin.is_some() && is_meant(visit);
        for key in self.visits.keys(waiting) {
            if let Some(visit) = self.visits.all.get_mut(&key) {
                visit.begin = None;
            }
            self.end_run(key, reason, None, now);
        }
    }

    /// Nobody will open what was begun so; whoever does all the same finds the reader gone.
    fn forget_begins(&mut self, is_meant: impl Fn(&Begin) -> bool) {
        let mut orphans = Vec::new();
        self.visits.begins.retain(|_, begin| {
            let is_kept = !is_meant(begin);
            if !is_kept && begin.stream.is_none() {
                orphans.push(begin.owner.0);
            }
            is_kept
        });
        for link in orphans {
            self.visits.count_less(&link);
        }
    }

    /// A link is up again: what its kernel may not have heard of its visits.
    pub(crate) fn tell_visits(&mut self, id: &LinkId, out: &mut Vec<u8>) {
        let keys = self.links.get(id).map(|link| link.keys.iter());
        let open = keys.into_iter().flatten();
        let open: Vec<(u32, StreamKey)> = open
            .filter(|(_, open)| open.is_visit)
            .map(|(&key, open)| (key, open.stream))
            .collect();
        for (key, stream) in open {
            let visit = self.visits.all.get(&stream);
            if visit.and_then(|visit| visit.producer) == Some((*id, key)) {
                self.tell_credit(stream, out);
            } else {
                ToKernel::Stop { key }.encode(out);
            }
        }
        let waiting = |visit: &Visit| visit.owner.0 == *id && visit.begin.is_some();
        for stream in self.visits.keys(waiting) {
            // It may have heard the first time, and be about to open it: then for nobody.
            self.leave_producer(stream);
            self.begin(stream);
        }
        // Of those for nobody it has heard, or never will.
        self.forget_begins(|begin| begin.owner.0 == *id && begin.stream.is_none());
    }
}
