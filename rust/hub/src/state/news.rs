//! What has changed in the state since the reactor looked.

use std::collections::BTreeSet;

use super::{State, StreamKey};

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(crate) struct News {
    /// Streams that have something new for their readers.
    pub(crate) dirty: Vec<StreamKey>,
    /// Names that got a stream.
    pub(crate) created: Vec<String>,
    /// Streams that are gone.
    pub(crate) removed: Vec<StreamKey>,
    /// Streams that readers came to or left.
    pub(crate) recounted: BTreeSet<StreamKey>,
    /// A route was opened: some may wait for what it stands for.
    pub(crate) has_new_route: bool,
}

impl News {
    pub(crate) fn is_empty(&self) -> bool {
        self.dirty.is_empty()
            && self.created.is_empty()
            && self.removed.is_empty()
            && self.recounted.is_empty()
            && !self.has_new_route
    }

    /// What came after these.
    pub(crate) fn add(&mut self, later: &Self) {
        self.dirty.extend(&later.dirty);
        self.dirty.sort_unstable();
        self.dirty.dedup();
        self.created.extend(later.created.iter().cloned());
        self.removed.extend(&later.removed);
        self.recounted.extend(&later.recounted);
        self.has_new_route |= later.has_new_route;
    }
}

impl State {
    /// What readers are to be told.
    pub(crate) fn take_news(&mut self) -> News {
        let mut news = std::mem::take(&mut self.news);
        for key in &news.dirty {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.is_dirty = false;
            }
        }
        news.has_new_route = self.routes.take_new();
        news
    }

    pub(crate) fn has_news(&self) -> bool {
        !(self.news.is_empty() && self.outbox.is_empty())
            || self.visits.has_begun()
            || self.routes.has_new()
    }

    pub(crate) fn mark_dirty(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(&key)
            && !std::mem::replace(&mut stream.is_dirty, true)
        {
            self.news.dirty.push(key);
        }
    }

    /// One more connection reads a stream, or only passes by.
    pub(crate) fn reader_entered(&mut self, key: StreamKey, is_passing: bool) {
        if let Some(stream) = self.streams.get_mut(&key) {
            *stream.readers(is_passing) += 1;
            self.news.recounted.insert(key);
        }
    }

    /// One less does.
    pub(crate) fn reader_gone(&mut self, key: StreamKey, is_passing: bool) {
        if let Some(stream) = self.streams.get_mut(&key) {
            *stream.readers(is_passing) -= 1;
            self.news.recounted.insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::News;

    #[test]
    fn news_that_nobody_has_taken_yet_name_each_stream_once() {
        let mut news = News::default();
        for dirty in [vec![3, 1], vec![1, 2]] {
            let created = vec!["a".to_owned()];
            news.add(&News {
                dirty,
                created,
                ..News::default()
            });
        }
        assert_eq!((news.dirty, news.created.len()), (vec![1, 2, 3], 2));
    }
}
