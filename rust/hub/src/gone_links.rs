//! Links that were taken for gone: how far each had come, should it come back after all. What it has no receipt for it says again, and
//! must not be heard twice.

use std::collections::{BTreeMap, VecDeque};

use crate::state::Refusal;
use crate::stream::LinkId;

/// The most that are remembered.
const MAX_LINKS: usize = 1024;
/// The most refusals that are remembered of one link.
const MAX_REFUSALS: usize = 64;

/// How far a link had come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    /// The newest place of its sequence.
    pub(crate) last_seq: u64,
    /// The newest keys that it was refused. It may not have heard so: what it sent under such a key is dropped, so the same key must
    /// not be opened later as if nothing were missing.
    refused: BTreeMap<u32, Refusal>,
}

impl Heard {
    pub(crate) fn refuse(&mut self, key: u32, refusal: &Refusal) {
        self.refused.insert(key, refusal.clone());
        if self.refused.len() > MAX_REFUSALS {
            // A link gives out its keys in rising order.
            self.refused.pop_first();
        }
    }

    pub(crate) fn refusal(&self, key: u32) -> Option<Refusal> {
        self.refused.get(&key).cloned()
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct GoneLinks {
    /// Oldest first.
    links: VecDeque<(LinkId, Heard)>,
}

impl GoneLinks {
    /// A link is gone that had come so far.
    pub(crate) fn remember(&mut self, id: LinkId, heard: Heard) {
        if heard.last_seq > 0 || !heard.refused.is_empty() {
            self.links.push_back((id, heard));
        }
        if self.links.len() > MAX_LINKS {
            self.links.pop_front();
        }
    }

    /// It is back; or it was never here, or is forgotten: then it begins.
    pub(crate) fn take(&mut self, id: &LinkId) -> Heard {
        let at = self.links.iter().position(|(other, _)| other == id);
        let found = at.and_then(|at| self.links.remove(at));
        found.map(|(_, heard)| heard).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{GoneLinks, Heard, MAX_LINKS, MAX_REFUSALS};
    use crate::state::Refusal;

    #[test]
    fn links_that_went_long_ago_are_forgotten() {
        let mut gone = GoneLinks::default();
        for number in 0..=MAX_LINKS as u64 {
            let last_seq = number + 1;
            let heard = Heard {
                last_seq,
                ..Heard::default()
            };
            gone.remember(u128::from(number).to_le_bytes(), heard);
        }
        assert_eq!(gone.take(&0_u128.to_le_bytes()).last_seq, 0);
        assert_eq!(gone.take(&1_u128.to_le_bytes()).last_seq, 2);
        assert_eq!(gone.take(&1_u128.to_le_bytes()).last_seq, 0);
    }

    #[test]
    fn the_newest_refusals_are_known() {
        let mut heard = Heard::default();
        for key in 0..=MAX_REFUSALS as u32 {
            heard.refuse(key, &Refusal::Limit(key.to_string()));
        }
        assert_eq!(heard.refusal(0), None);
        assert_eq!(heard.refusal(1), Some(Refusal::Limit("1".to_owned())));
    }
}
