//! How a kernel opens a stream for writing: whose it is, and what its maker wants of it.

use std::time::Duration;

use jupyter_sse_codec::RunKind;
use jupyter_sse_codec::frame::ToKernel;
use serde_json::{Value, json};

use crate::clock::millis;
use crate::links::OpenStream;
use crate::options::HistoryBounds;
use crate::state::{Refusal, State, StreamKey, owned_message};
use crate::stream::{LinkId, ProducerInfo, Stream};

/// The most streams one link may have open.
const MAX_KEYS: usize = 10_000;
/// The longest options of a stream, in bytes: they are kept with it and told to its readers.
const MAX_OPTIONS_BYTES: usize = 16 << 10;

impl State {
    /// Opens a stream under a key of a link. Returns the number of the run.
    pub(crate) fn open(
        &mut self,
        id: &LinkId,
        key: u32,
        kind: RunKind,
        name: &str,
        options: &str,
        now: u64,
    ) -> Result<u32, Refusal> {
        let Some(link) = self.links.get(id) else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        if let Some(open) = link.keys.get(&key) {
            return Ok(open.run);
        }
        match kind {
            RunKind::Route => return self.open_route(id, key, name, options, now),
            RunKind::Visit => return self.open_visit(id, key, options),
            RunKind::Run | RunKind::Send | RunKind::Post => {}
        }
        if link.keys.len() >= MAX_KEYS {
            return Err(Refusal::Limit(format!(
                "this kernel has {MAX_KEYS} streams open, the most; close some first"
            )));
        }
        if options.len() > MAX_OPTIONS_BYTES {
            return Err(Refusal::Limit(format!(
                "options of at most {MAX_OPTIONS_BYTES} bytes of JSON expected, got {}; shorten them",
                options.len()
            )));
        }
        let producer = link.producer.clone();
        let joined = match self.find(name) {
            Some((stream_key, stream)) if !stream.is_ended() => {
                Self::may_join(stream_key, stream, kind, &producer)?
            }
            _ => None,
        };
        let stream_key = match joined {
            Some(stream_key) => stream_key,
            None => self.start_run(name, kind, Some(producer), now)?,
        };
        if joined.is_some() {
            self.add_options(stream_key, options);
        } else {
            self.apply_options(stream_key, options);
        }
        let Some(stream) = self.stream_mut(stream_key) else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        stream.producers.insert((*id, key));
        if kind == RunKind::Run {
            stream.owner = Some((*id, key));
        }
        let run = stream.run.number;
        if let Some(link) = self.links.get_mut(id) {
            link.keys.insert(
                key,
                OpenStream {
                    stream: stream_key,
                    run,
                    is_told: false,
                    is_visit: false,
                },
            );
        }
        self.mark_dirty(stream_key);
        Ok(run)
    }

    /// Whether a producer joins the stream's live run (the key), starts a new one (`None`) or may do neither.
    fn may_join(
        key: StreamKey,
        stream: &Stream,
        kind: RunKind,
        producer: &ProducerInfo,
    ) -> Result<Option<StreamKey>, Refusal> {
        let is_own = stream
            .run
            .producer
            .as_ref()
            .is_some_and(|owner| owner.kernel == producer.kernel);
        match (kind, stream.run.kind) {
            (RunKind::Send | RunKind::Post, RunKind::Run)
            | (RunKind::Run, RunKind::Run | RunKind::Send)
                if !is_own =>
            {
                Err(Refusal::Owned(owned_message(stream)))
            }
            (RunKind::Send | RunKind::Post, _) => Ok(Some(key)),
            (RunKind::Run | RunKind::Route | RunKind::Visit, _) => Ok(None),
        }
    }

    /// Whoever joins a run adds what nobody has asked for; what the run was started with stays.
    fn add_options(&mut self, key: StreamKey, options: &str) {
        let held = self.stream(key).map(|stream| stream.options.clone());
        let Ok(Value::Object(mut options)) = serde_json::from_str::<Value>(options) else {
            return;
        };
        // A run that was posted has none.
        if let Some(Value::Object(held)) = held {
            options.extend(held.into_iter().filter(|(_, value)| !value.is_null()));
        }
        let options = Value::Object(options).to_string();
        if options.len() <= MAX_OPTIONS_BYTES {
            self.apply_options(key, &options);
        }
    }

    fn apply_options(&mut self, key: StreamKey, options: &str) {
        let Ok(options) = serde_json::from_str::<Value>(options) else {
            return;
        };
        let defaults = self.options().history;
        let most_bytes = self.options().max_total_bytes / 2;
        if let Some(history) = options.get("history").filter(|value| !value.is_null()) {
            self.set_bounds(key, bounds_from(history, defaults, most_bytes));
        }
        let Some(stream) = self.stream_mut(key) else {
            return;
        };
        let interval = options.get("ping_interval").and_then(Value::as_f64);
        if let Some(Ok(interval)) = interval.map(Duration::try_from_secs_f64) {
            stream.ping_interval = Some(millis(interval));
        }
        stream.options = options;
    }
}

/// Answers `Open`.
pub(crate) fn answer_open(
    request: u32,
    key: u32,
    opened: &Result<u32, Refusal>,
    reply: &mut Vec<u8>,
) {
    let error = match opened {
        Ok(_) => String::new(),
        Err(refusal) => {
            json!({"reason": refusal.reason(), "message": refusal.to_string()}).to_string()
        }
    };
    let run = *opened.as_ref().unwrap_or(&0);
    ToKernel::Opened {
        request,
        key,
        run,
        error: &error,
    }
    .encode(reply);
}

/// The history that a stream's maker asks for. More events alone also raise the bound on bytes, by a KiB for each.
fn bounds_from(history: &Value, defaults: HistoryBounds, most_bytes: usize) -> HistoryBounds {
    let number = |name: &str| history.get(name).and_then(Value::as_u64);
    let events = number("events").unwrap_or(defaults.events);
    let bytes = match number("bytes") {
        Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        None => defaults.bytes.max(
            usize::try_from(events)
                .unwrap_or(usize::MAX)
                .saturating_mul(1024),
        ),
    };
    let age = history
        .get("seconds")
        .and_then(Value::as_f64)
        .map_or(defaults.age, |seconds| {
            Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        });
    HistoryBounds {
        events,
        bytes: bytes.min(most_bytes),
        age,
    }
}
