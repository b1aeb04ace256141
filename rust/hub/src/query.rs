//! What a subscriber asks for, and the cursors that this fixes.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use crate::links::cut;
use crate::roster::Guest;
use crate::start::Start;
use crate::state::{Refusal, State};
use crate::subscription::{Subscription, Wants};
use crate::visit::is_visit_end;

/// In what time a reader by the links' door may be content with one event, in seconds: as over HTTP.
const CONFLATE_SECONDS: RangeInclusive<f64> = 0.001..=3600.0;

/// What a subscriber asks for, as it comes from a request.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// `NAME` or `NAME@START`.
    pub streams: Vec<String>,
    /// The cursor for all streams that bring none of their own.
    pub last_event_id: Option<String>,
    /// A stream that does not exist is waited for.
    pub wait: bool,
    /// What the producer of a route is told of its reader (JSON: `query`, `headers`, `user`, `address`); `None`: nothing is known, and
    /// nobody waits for what a visit begins with.
    pub request: Option<String>,
    /// What it wants of them.
    pub wants: Wants,
    /// At most one event of each stream and type in this time, the last.
    pub conflate: Option<Duration>,
    /// Who asks.
    pub guest: Guest,
    /// The stream token that it came with, in place of a login: it reads while that is good.
    pub token: Option<String>,
}

/// Fixes a new subscriber's cursors, and begins the visits of those that a route stands for.
pub(crate) fn subscribe(
    state: &mut State,
    query: Query,
    now: u64,
) -> Result<Subscription, Refusal> {
    let is_single = query.wants.single;
    let is_passing = query.wants.passing;
    let guest = state.connections.share(query.guest);
    let mut subscription = Subscription::new(query.wants, guest);
    subscription.limit(query.conflate, query.token.as_deref());
    let is_there = |target: &String| state.find(target.split('@').next().unwrap_or("")).is_some();
    // Who only passes by starts nobody's generator.
    if !is_passing && (!is_single || !query.streams.iter().all(is_there)) {
        subscription.introduce(query.request);
    }
    for target in &query.streams {
        let (name, start) = target.split_once('@').unwrap_or((target, ""));
        state.check_readable(name)?;
        let last = query.last_event_id.as_deref().filter(|id| !id.is_empty());
        let start = match last {
            Some(id) if is_single => Start::after(id),
            Some(id) => Start::after_all(id),
            None => Start::parse(start),
        };
        let is_returning = matches!(start, Start::After(_));
        let can_be_read = state.can_be_read(name);
        if is_single && !is_returning && !query.wait && !can_be_read {
            return Err(Refusal::Unknown(name.to_owned()));
        }
        if is_single && !can_be_read && start.cursor().is_some_and(is_visit_end) {
            return Err(Refusal::Ended);
        }
        if !subscription.add(state, name, &start) && is_single {
            return Err(Refusal::Ended);
        }
    }
    subscription.call_on_routes(state, now)?;
    Ok(subscription)
}

/// The same for a query that came through the links' door (JSON); an error is a status and a body.
pub(crate) fn local_subscription(
    state: &mut State,
    query: &str,
    now: u64,
) -> Result<Subscription, (u16, String)> {
    let query: Value = serde_json::from_str(query)
        .map_err(|error| invalid(&format!("a query in JSON expected: {error}")))?;
    let flag = |name: &str| query.get(name).and_then(Value::as_bool).unwrap_or(false);
    let streams: Vec<String> = query
        .get("streams")
        .and_then(Value::as_array)
        .map(|streams| {
            streams
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    let wants = Wants {
        single: streams.len() == 1,
        control: flag("control"),
        positions: query.get("ids").and_then(Value::as_str) == Some("position"),
        exact_times: query.get("times").and_then(Value::as_str) == Some("exact"),
        passing: flag("passing"),
        latest_when_slow: false,
    };
    let last_event_id = query
        .get("last_event_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    subscribe(
        state,
        Query {
            streams,
            last_event_id,
            wait: flag("wait"),
            request: None,
            wants,
            conflate: conflation(&query)?,
            ..Query::default()
        },
        now,
    )
    .map_err(|refusal| {
        let status = match refusal {
            Refusal::Unknown(_) => 404,
            Refusal::Ended => 204,
            Refusal::Limit(_) => 503,
            _ => 400,
        };
        (
            status,
            json!({"reason": refusal.reason(), "message": refusal.to_string()}).to_string(),
        )
    })
}

/// The time in which one event is enough for a reader, which it gives in seconds.
fn conflation(query: &Value) -> Result<Option<Duration>, (u16, String)> {
    let Some(given) = query.get("conflate").filter(|given| !given.is_null()) else {
        return Ok(None);
    };
    let seconds = given.as_f64().filter(|it| CONFLATE_SECONDS.contains(it));
    seconds
        .map(|it| Some(Duration::from_secs_f64(it)))
        .ok_or_else(|| {
            let given = cut(&given.to_string(), 40);
            invalid(&format!(
                "conflate: expected seconds from 0.001 to 3600, got {given}"
            ))
        })
}

/// The answer to a query that is none.
fn invalid(message: &str) -> (u16, String) {
    let body = json!({"reason": "invalid", "message": message});
    (400, body.to_string())
}
