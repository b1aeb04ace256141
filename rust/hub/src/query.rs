//! What a subscriber asks for, and the cursors that this fixes.

use std::time::Duration;

use jupyter_sse_codec::check_name;
use serde_json::{Value, json};

use crate::roster::Guest;
use crate::start::Start;
use crate::state::{Refusal, State};
use crate::subscription::{Subscription, Wants};

/// What a subscriber asks for, as it comes from a request.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// `NAME` or `NAME@START`.
    pub streams: Vec<String>,
    /// The cursor for all streams that bring none of their own.
    pub last_event_id: Option<String>,
    /// A stream that does not exist is waited for.
    pub wait: bool,
    /// What it wants of them.
    pub wants: Wants,
    /// At most one event of each stream and type in this time, the last.
    pub conflate: Option<Duration>,
    /// Who asks.
    pub guest: Guest,
    /// The stream token that it came with, in place of a login: it reads while that is good.
    pub token: Option<String>,
}

/// Fixes a new subscriber's cursors.
pub(crate) fn subscribe(state: &State, query: Query) -> Result<Subscription, Refusal> {
    let is_single = query.wants.single;
    let guest = state.connections.share(query.guest);
    let mut subscription = Subscription::new(query.wants, guest);
    subscription.limit(query.conflate, query.token.as_deref());
    for target in &query.streams {
        let (name, start) = target.split_once('@').unwrap_or((target, ""));
        check_name(name).map_err(|error| Refusal::Name(error.to_string()))?;
        let last = query.last_event_id.as_deref().filter(|id| !id.is_empty());
        let start = match last {
            Some(id) if is_single => Start::after(id),
            Some(id) => Start::after_all(id),
            None => Start::parse(start),
        };
        let is_returning = matches!(start, Start::After(_));
        if is_single && !is_returning && !query.wait && state.find(name).is_none() {
            return Err(Refusal::Unknown(name.to_owned()));
        }
        if !subscription.add(state, name, &start) && is_single {
            return Err(Refusal::Ended);
        }
    }
    Ok(subscription)
}

/// The same for a query that came through the links' door (JSON); an error is a status and a body.
pub(crate) fn local_subscription(
    state: &State,
    query: &str,
) -> Result<Subscription, (u16, String)> {
    let query: Value = serde_json::from_str(query).map_err(|error| {
        let message = format!("a query in JSON expected: {error}");
        (
            400,
            json!({"reason": "invalid", "message": message}).to_string(),
        )
    })?;
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
            wants,
            ..Query::default()
        },
    )
    .map_err(|refusal| {
        let status = match refusal {
            Refusal::Unknown(_) => 404,
            Refusal::Ended => 204,
            _ => 400,
        };
        (
            status,
            json!({"reason": refusal.reason(), "message": refusal.to_string()}).to_string(),
        )
    })
}
