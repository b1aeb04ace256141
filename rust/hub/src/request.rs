//! What a kernel asks over its link.

use serde_json::{Value, json};

use crate::state::{Refusal, State};

/// How long a stream token given to a kernel is good at the most, in milliseconds.
const TOKEN_LIFE: u64 = 24 * 3600 * 1000;

impl State {
    /// What a kernel asks: `{"op": "list" | "routes" | "stream" | "end" | "token" | "revoke", "name": …}`, for a token also `"seconds"`.
    pub(crate) fn answer(&mut self, body: &str, now: u64) -> (u16, Value) {
        let question: Value = serde_json::from_str(body).unwrap_or_default();
        let name = question
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match question.get("op").and_then(Value::as_str) {
            Some("list") => {
                let names = self.stream_names();
                (200, self.describe_streams(&names, now).into())
            }
            Some("routes") => (200, self.describe_routes()),
            Some("stream") => match self.describe_stream(name, now) {
                Some(stream) => (200, stream),
                None => refused(&Refusal::Unknown(name.to_owned())),
            },
            Some("end") => match self.end(name, now) {
                Ok(()) => (200, json!({})),
                Err(refusal) => refused(&refusal),
            },
            Some("revoke") => match self.revoke_tokens(name, now) {
                Ok(count) => (200, json!({"revoked": count})),
                Err(refusal) => refused(&refusal),
            },
            Some("token") if !self.can_be_read(name) => refused(&Refusal::Unknown(name.to_owned())),
            Some("token") => {
                let seconds = question.get("seconds").and_then(Value::as_u64);
                let life = seconds.map_or(TOKEN_LIFE, |it| it.saturating_mul(1000));
                let expires = now + life.min(TOKEN_LIFE);
                let url = self.options().url.clone();
                let token = self.tokens.issue(name, expires);
                (
                    200,
                    json!({"url": format!("{url}/sse/{name}"), "token": token, "expires": expires / 1000}),
                )
            }
            _ => (
                400,
                json!({"reason": "invalid", "message": "op: list, routes, stream, end, token or revoke expected"}),
            ),
        }
    }
}

fn refused(refusal: &Refusal) -> (u16, Value) {
    let status = if matches!(refusal, Refusal::Unknown(_)) {
        404
    } else {
        400
    };
    (
        status,
        json!({"reason": refusal.reason(), "message": refusal.to_string()}),
    )
}
