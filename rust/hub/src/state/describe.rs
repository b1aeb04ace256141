//! What can be told of the streams and of all there is, as JSON.

use std::sync::Arc;

use serde_json::{Value, json};

use super::State;
use crate::stream::Stream;

impl State {
    /// The names of all streams, in order.
    pub(crate) fn stream_names(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self.names.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Those of these streams that there are.
    pub(crate) fn describe_streams(&mut self, names: &[Arc<str>], now: u64) -> Vec<Value> {
        let tokens = self.tokens.counts(now);
        let describe = |name: &Arc<str>| {
            let stream = self.streams.get_mut(self.names.get(&**name)?)?;
            let tokens = tokens.get(&**name).copied().unwrap_or_default();
            Some(stream.describe(tokens, now))
        };
        names.iter().filter_map(describe).collect()
    }

    /// One stream.
    pub(crate) fn describe_stream(&mut self, name: &str, now: u64) -> Option<Value> {
        let key = *self.names.get(name)?;
        let tokens = self.tokens.count(name, now);
        self.streams
            .get_mut(&key)
            .map(|stream| stream.describe(tokens, now))
    }

    /// The counters.
    pub(crate) fn describe_counters(&self) -> Value {
        let mut all = self.counters.describe();
        let is_live = |stream: &&Stream| !stream.is_private() && !stream.is_ended();
        all["streams"] = json!(self.names.len());
        all["streams_live"] = json!(self.streams.values().filter(is_live).count());
        all["visits"] = json!(self.visits.len());
        all["visits_begun"] = json!(self.visits.begun_ever());
        all["history_bytes"] = json!(self.held_bytes);
        all["epoch"] = json!(self.epoch.to_string());
        all
    }
}
