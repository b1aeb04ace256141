//! What happened, for the failure's report, and how often, so that the model is known to reach every corner.

use std::collections::BTreeMap;

use serde_json::Value;

/// See the module's text.
#[derive(Default)]
pub(super) struct Journal {
    /// `None`: nobody reads it.
    pub(super) text: Option<String>,
    pub(super) counts: BTreeMap<String, usize>,
}

impl Journal {
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(text) = &mut self.text {
            text.push_str(&line());
            text.push('\n');
        }
    }

    pub(super) fn count_one(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_insert(0) += 1;
    }

    /// Counts a control event; gaps by what they say.
    pub(super) fn count(&mut self, kind: &str, data: &Value) {
        match data["reason"].as_str() {
            Some(reason) if kind == "sse.gap" => {
                let is_counted = data["lost"]["count"].is_u64();
                let how = if is_counted { "counted" } else { "uncounted" };
                self.count_one(&format!("{reason} {how}"));
            }
            _ => self.count_one(kind),
        }
    }
}
