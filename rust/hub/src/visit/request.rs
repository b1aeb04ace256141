//! What a reader of a route asks for, as its producer is told, and what it says of where it was.

use jupyter_sse_codec::{Epoch, end_id, is_end_id};
use serde_json::{Map, Value, json};

use crate::state::Refusal;

/// The longest request of a reader, in bytes of JSON.
const MAX_REQUEST_BYTES: usize = 16 << 10;
/// The numbers in the ids of visits' ends begin here: those of streams are numbers of runs.
const END_NUMBERS: u64 = 1 << 32;

/// What a reader says when it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) path: &'a str,
    /// What its request has, as far as that is the same for all its streams (JSON); empty: nothing is known.
    pub(crate) request: &'a str,
    pub(crate) connection: &'a str,
    pub(crate) last_event_id: Option<&'a str>,
    /// Somebody waits for the head of its response.
    pub(crate) is_awaited: bool,
}

impl Caller<'_> {
    /// What its producer is told, but for the parameters of the path.
    pub(super) fn request(&self) -> Result<Map<String, Value>, Refusal> {
        let mut request = read_request(self.request)?;
        request.insert("path".to_owned(), json!(self.path));
        request.insert("connection".to_owned(), json!(self.connection));
        request.insert("last_event_id".to_owned(), json!(self.last_event_id));
        Ok(request)
    }
}

fn read_request(text: &str) -> Result<Map<String, Value>, Refusal> {
    if text.len() > MAX_REQUEST_BYTES {
        let bytes = text.len();
        return Err(Refusal::Large(format!(
            "expected headers and query of at most {MAX_REQUEST_BYTES} bytes as JSON, got {bytes}; send fewer or shorter ones"
        )));
    }
    let nobody = json!({"query": {}, "headers": {}, "user": null, "address": ""});
    let request = serde_json::from_str(text).unwrap_or(nobody);
    match request {
        Value::Object(request) => Ok(request),
        _ => Ok(Map::new()),
    }
}

/// The parameters of a path as its producer is told them.
pub(super) fn parameters_of(parameters: Vec<(&str, String)>) -> Value {
    let parameters = parameters.into_iter();
    parameters
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect::<Map<String, Value>>()
        .into()
}

/// The number in the id of the ends of a route's visits.
pub(super) fn end_number_of(route: u64) -> u64 {
    END_NUMBERS + route
}

/// Whether an id is that of a visit's end.
pub(crate) fn is_visit_end(id: &str) -> bool {
    end_number(id).is_some_and(|number| number >= END_NUMBERS)
}

/// Whether a reader has had the end of a visit of this route, or of one that was opened later.
pub(super) fn has_seen_end(last_event_id: Option<&str>, epoch: &Epoch, route: u64) -> bool {
    let Some((id, number)) = last_event_id.and_then(|id| Some((id, end_number(id)?))) else {
        return false;
    };
    number >= end_number_of(route) && id == end_id(*epoch, number)
}

fn end_number(id: &str) -> Option<u64> {
    let number = is_end_id(id).then(|| id.rsplit_once('-')).flatten()?.1;
    number.parse().ok()
}
