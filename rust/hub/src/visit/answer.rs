//! What a visit began with: the head of the response waits for it.

use serde_json::{Value, json};

use crate::links::cut;
use crate::state::{State, StreamKey};

/// What is kept of the headers that a producer sets, and of its refusal, in bytes.
const MAX_HEADERS_BYTES: usize = 8 << 10;
const MAX_MESSAGE_BYTES: usize = 8 << 10;

/// What a visit began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The visit, as [`crate::Subscription::visits`] has it.
    pub visit: StreamKey,
    /// Its producer does not want this reader.
    pub is_refused: bool,
    /// JSON: `{"headers"}`; where refused `{"status", "type", "message", "headers"}`.
    pub payload: String,
}

impl State {
    /// The head of the response of a visit has come.
    pub(crate) fn visit_head(&mut self, stream: StreamKey, head: &str) {
        self.answer_visit(stream, false, || {
            json!({"headers": headers_in(head)}).to_string()
        });
    }

    /// The first event of a visit has come, or its end.
    pub(crate) fn visit_began(&mut self, stream: StreamKey) {
        self.answer_visit(stream, false, || r#"{"headers":{}}"#.to_owned());
    }

    /// The producer of a visit does not want its reader.
    pub(crate) fn visit_refused(&mut self, stream: StreamKey, error: &str) {
        self.answer_visit(stream, true, || refusal_in(error).to_string());
    }

    fn answer_visit(
        &mut self,
        visit: StreamKey,
        is_refused: bool,
        payload: impl FnOnce() -> String,
    ) {
        let found = self.visits.all.get_mut(&visit);
        if found.is_some_and(|it| std::mem::take(&mut it.is_awaited)) {
            let payload = payload();
            self.visits.begun.push(Begun {
                visit,
                is_refused,
                payload,
            });
        }
    }
}

fn refusal_in(error: &str) -> Value {
    let told: Value = serde_json::from_str(error).unwrap_or_default();
    let text = |name| {
        let text = told.get(name).and_then(Value::as_str);
        cut(text.unwrap_or_default(), MAX_MESSAGE_BYTES)
    };
    json!({
        "status": refusal_status(&told),
        "type": text("type"),
        "message": text("message"),
        "headers": headers_in(error),
    })
}

/// The headers in a head or an error, as far as they are bounded.
fn headers_in(text: &str) -> Value {
    let mut told: Value = serde_json::from_str(text).unwrap_or_default();
    let headers = told.get_mut("headers").map(Value::take);
    let is_bounded = |it: &Value| it.is_object() && it.to_string().len() <= MAX_HEADERS_BYTES;
    headers.filter(is_bounded).unwrap_or_else(|| json!({}))
}

/// The status of a refusal: an error's, whatever was told.
pub(crate) fn refusal_status(error: &Value) -> u64 {
    let status = error.get("status").and_then(Value::as_u64);
    status.filter(|it| (400..=599).contains(it)).unwrap_or(500)
}
