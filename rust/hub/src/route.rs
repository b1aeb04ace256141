//! The routes of a server: families of names whose readers get a run of their own each, and who answers for them.

use std::time::Duration;

use jupyter_sse_codec::frame::ToKernel;
use jupyter_sse_codec::{Pattern, check_name, check_path};
use serde_json::{Value, json};

use crate::clock::millis;
use crate::state::{Refusal, State};
use crate::stream::{LinkId, Producer, ProducerInfo};

/// The most routes of one link.
const MAX_ROUTES: usize = 1000;

/// One route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) pattern: Pattern,
    /// The link's key for it.
    pub(crate) owner: Producer,
    pub(crate) producer: ProducerInfo,
    /// Tells it from others, also from earlier ones of its family: it grows.
    pub(crate) serial: u64,
    /// Silence before a keep-alive, in milliseconds, where its maker chose one.
    pub(crate) ping_interval: Option<u64>,
    /// When it was opened, in unix milliseconds.
    started_at: u64,
}

impl Route {
    fn parameters(&self, path: &str) -> Option<Vec<(&str, String)>> {
        self.pattern.matches(path)
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// In the order in which they are asked.
    all: Vec<Route>,
    last_serial: u64,
    /// One was opened since somebody looked: readers may wait for it.
    has_new: bool,
}

impl Routes {
    /// Who answers for a path, and what its parameters are there.
    pub(crate) fn find(&self, path: &str) -> Option<(&Route, Vec<(&str, String)>)> {
        let matching = |route| Some((route, Route::parameters(route, path)?));
        self.all.iter().find_map(matching)
    }

    pub(crate) fn has_new(&self) -> bool {
        self.has_new
    }

    /// Whether one was opened since this was last asked.
    pub(crate) fn take_new(&mut self) -> bool {
        std::mem::take(&mut self.has_new)
    }

    /// The route under a link's key.
    fn of(&self, owner: Producer) -> Option<&Route> {
        self.all.iter().find(|route| route.owner == owner)
    }

    fn of_family(&self, pattern: &Pattern) -> Option<&Route> {
        let is_same = |route: &&Route| route.pattern.is_same_family(pattern);
        self.all.iter().find(is_same)
    }

    fn count_of(&self, link: &LinkId) -> usize {
        let is_of = |route: &&Route| route.owner.0 == *link;
        self.all.iter().filter(is_of).count()
    }

    /// Takes the place of the route of the same family, if there is one.
    fn put(&mut self, route: Route) {
        self.all
            .retain(|other| !other.pattern.is_same_family(&route.pattern));
        let is_before = |other: &Route| other.pattern.cmp_rank(&route.pattern).is_lt();
        let at = self.all.partition_point(is_before);
        self.all.insert(at, route);
    }

    fn remove(&mut self, owner: Producer) -> bool {
        let before = self.all.len();
        self.all.retain(|route| route.owner != owner);
        self.all.len() < before
    }

    fn remove_of(&mut self, link: &LinkId) {
        self.all.retain(|route| route.owner.0 != *link);
    }
}

impl State {
    /// Whether a reader of this path gets a run of its own.
    pub(crate) fn has_route(&self, path: &str) -> bool {
        self.routes.find(path).is_some()
    }

    /// Checks what somebody wants to read: a stream's name, or the path of a route.
    pub(crate) fn check_readable(&self, name: &str) -> Result<(), Refusal> {
        if self.has_route(name) && check_path(name).is_ok() {
            return Ok(());
        }
        check_name(name).map_err(|error| Refusal::Name(error.to_string()))
    }

    /// Whether there is something to read under this name, or of this path.
    pub(crate) fn can_be_read(&self, name: &str) -> bool {
        self.find(name).is_some() || self.has_route(name)
    }

    /// A kernel opens a route under a key of its link. Readers of an earlier one of the same family get a run of this one.
    pub(crate) fn open_route(
        &mut self,
        id: &LinkId,
        key: u32,
        pattern: &str,
        options: &str,
        now: u64,
    ) -> Result<u32, Refusal> {
        let Some(link) = self.links.get(id) else {
            return Err(Refusal::Unknown(pattern.to_owned()));
        };
        let owner = (*id, key);
        if self.routes.of(owner).is_some() {
            return Ok(0);
        }
        let pattern = Pattern::parse(pattern).map_err(|error| Refusal::Name(error.to_string()))?;
        let producer = link.producer.clone();
        let earlier = self.routes.of_family(&pattern);
        if let Some(other) = earlier.filter(|it| it.producer.kernel != producer.kernel) {
            return Err(Refusal::Owned(owned_message(other)));
        }
        if earlier.is_none() && self.routes.count_of(id) >= MAX_ROUTES {
            return Err(Refusal::Limit(format!(
                "this kernel has {MAX_ROUTES} routes, the most; take some away first"
            )));
        }
        let earlier = earlier.map(|route| route.owner);
        let options: Value = serde_json::from_str(options).unwrap_or_default();
        let interval = options.get("ping_interval").and_then(Value::as_f64);
        let interval = interval.and_then(|it| Duration::try_from_secs_f64(it).ok());
        self.routes.last_serial += 1;
        let route = Route {
            pattern,
            owner,
            producer,
            serial: self.routes.last_serial,
            ping_interval: interval.map(millis),
            started_at: now,
        };
        self.routes.put(route.clone());
        self.routes.has_new = true;
        self.begin_again(&route, earlier, now);
        Ok(0)
    }

    /// A kernel takes a route away: nobody comes by it any more. Returns whether the key was a route's.
    pub(crate) fn close_route(&mut self, id: &LinkId, key: u32, now: u64) -> bool {
        let is_route = self.routes.remove((*id, key));
        if is_route {
            self.route_closed((*id, key), now);
        }
        is_route
    }

    /// A link is gone, and with it its routes.
    pub(crate) fn routes_gone(&mut self, id: &LinkId, now: u64) {
        self.routes.remove_of(id);
        self.visits_lost(id, now);
    }

    /// All routes, as JSON.
    pub(crate) fn describe_routes(&self) -> Value {
        let describe = |route: &Route| {
            json!({
                "pattern": route.pattern.as_str(),
                "producer": route.producer.to_json(),
                "visits": self.visits.count_of(route.serial),
                "started_at": route.started_at,
            })
        };
        self.routes.all.iter().map(describe).collect()
    }

    /// Sends a frame to the owner of a route or visit, as soon as the hub's thread looks.
    pub(crate) fn tell(&mut self, link: LinkId, frame: &ToKernel<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.outbox.push((link, bytes));
    }
}

fn owned_message(route: &Route) -> String {
    let ProducerInfo { kernel, label, .. } = &route.producer;
    let pattern = route.pattern.as_str();
    format!(
        "readers of {pattern:?} are served by {label} (kernel {kernel}); stop it there, or use another pattern"
    )
}
