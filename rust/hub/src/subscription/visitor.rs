//! A reader of routes: the visits that it has begun, how far it has come in them, and that they end with it.

use jupyter_sse_codec::EndReason;

use super::Subscription;
use crate::start::Start;
use crate::state::{Refusal, State, StreamKey};
use crate::visit::Caller;

/// What only those keep who read a route, or may come to.
#[derive(Debug, Default)]
pub(super) struct Visitor {
    /// What its producers are told of it (JSON); `None`: nothing is known, and nobody waits for the head of a response.
    request: Option<String>,
    /// The streams that are its alone.
    visits: Vec<StreamKey>,
    /// Where it was, by its own word, in what it may come to.
    cursors: Vec<(String, String)>,
}

impl Visitor {
    /// It asks for a stream that there is not.
    pub(super) fn note_cursor(&mut self, name: &str, start: &Start) {
        if let Some(cursor) = start.cursor() {
            self.cursors.push((name.to_owned(), cursor.to_owned()));
        }
    }

    /// It asks no more for it.
    pub(super) fn forget_cursor(&mut self, name: &str) {
        self.cursors.retain(|(other, _)| other != name);
    }

    fn take_cursor(&mut self, name: &str) -> Option<String> {
        let at = self.cursors.iter().position(|(other, _)| other == name)?;
        Some(self.cursors.swap_remove(at).1)
    }
}

impl Subscription {
    /// From here on it may read routes; `request` is what their producers are told of it.
    pub(crate) fn introduce(&mut self, request: Option<String>) {
        self.visitor = Some(Box::new(Visitor {
            request,
            ..Visitor::default()
        }));
    }

    /// The visits that it has begun.
    pub fn visits(&self) -> &[StreamKey] {
        self.visitor.as_deref().map_or(&[], |it| &it.visits)
    }

    /// Begins visits where it waits for a stream that a route stands for, and ends those that it does not read any more.
    ///
    /// # Errors
    ///
    /// Of a reader of one stream: it is refused. One of several reads so in that stream.
    pub(crate) fn call_on_routes(&mut self, state: &mut State, now: u64) -> Result<(), Refusal> {
        let Some(visitor) = &mut self.visitor else {
            return Ok(());
        };
        let cursors = &mut self.cursors;
        let is_read = |key: StreamKey| cursors.iter().any(|it| it.key == Some(key));
        for gone in visitor.visits.extract_if(.., |key| !is_read(*key)) {
            state.visit_left(gone);
        }
        for cursor in cursors.iter_mut().filter(|it| it.key.is_none()) {
            if !state.has_route(&cursor.name) {
                continue;
            }
            let last_event_id = visitor.take_cursor(&cursor.name);
            let caller = Caller {
                path: &cursor.name,
                request: visitor.request.as_deref().unwrap_or_default(),
                connection: self.connection.as_str(),
                last_event_id: last_event_id.as_deref(),
                is_awaited: self.wants.single && visitor.request.is_some(),
            };
            let begun = state.begin_visit(&caller, now);
            let has_seen_end = matches!(begun, Err(Refusal::Ended)) && !self.wants.single;
            let key = match begun {
                Ok(None) => continue,
                Ok(Some(key)) => key,
                Err(refusal) if self.wants.single => return Err(refusal),
                Err(Refusal::Ended) => match state.enter_visit(&caller, now) {
                    Ok(Some(key)) => {
                        state.end_run(key, EndReason::Done, None, now);
                        key
                    }
                    Ok(None) => continue,
                    Err(refusal) => state.refuse_visit(&cursor.name, &refusal, now),
                },
                Err(refusal) => state.refuse_visit(&cursor.name, &refusal, now),
            };
            cursor.visit(key);
            if has_seen_end {
                cursor.has_seen_first_run();
            }
            visitor.visits.push(key);
        }
        Ok(())
    }

    /// The same of a reader that is connected. Nobody can be refused any more but in the stream itself.
    pub(crate) fn call_again_on_routes(&mut self, state: &mut State, now: u64) {
        if let Err(refusal) = self.call_on_routes(state, now)
            && let Some(visitor) = &mut self.visitor
        {
            for cursor in self.cursors.iter_mut().filter(|it| it.key.is_none()) {
                let key = state.refuse_visit(&cursor.name, &refusal, now);
                cursor.visit(key);
                visitor.visits.push(key);
            }
        }
    }

    /// Says how far it has come in its visits: that much more may be sent.
    pub(crate) fn pay_visits(&self, state: &mut State) {
        let visits = self.visits();
        if visits.is_empty() {
            return;
        }
        for cursor in &self.cursors {
            if let Some(key) = cursor.key.filter(|key| visits.contains(key)) {
                state.visit_read(key, cursor.read_up_to());
            }
        }
    }

    /// It is gone, and with it what was its alone.
    pub(crate) fn leave_visits(&mut self, state: &mut State) {
        if let Some(visitor) = self.visitor.take() {
            for key in visitor.visits {
                state.visit_left(key);
            }
        }
    }
}
