//! Questions to the hub, and their answers. Pure.

use std::collections::BTreeMap;

use jupyter_sse_codec::frame::ToHub;

/// Questions to the hub that somebody waits for.
#[derive(Default)]
pub(crate) struct Requests {
    pending: BTreeMap<u32, Request>,
    last_request: u32,
    has_unsent: bool,
}

struct Request {
    body: String,
    is_sent: bool,
    answer: Option<(u16, String)>,
}

impl Requests {
    /// A number that no other request or `Open` of this link has.
    pub(crate) fn draw(&mut self) -> u32 {
        self.last_request += 1;
        self.last_request
    }

    pub(crate) fn ask(&mut self, request: u32, body: &str) {
        self.pending.insert(
            request,
            Request {
                body: body.to_owned(),
                is_sent: false,
                answer: None,
            },
        );
        self.has_unsent = true;
    }

    /// Takes the answer, if it is there.
    pub(crate) fn take_answer(&mut self, request: u32) -> Option<(u16, String)> {
        let answer = self.pending.get_mut(&request)?.answer.take()?;
        self.pending.remove(&request);
        Some(answer)
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&mut self, request: u32) {
        self.pending.remove(&request);
    }

    pub(crate) fn answer(&mut self, request: u32, status: u16, body: &str) {
        if let Some(pending) = self.pending.get_mut(&request) {
            pending.answer = Some((status, body.to_owned()));
        }
    }

    /// A new connection has seen none of the requests that are not answered.
    pub(crate) fn send_again(&mut self) {
        for request in self.pending.values_mut() {
            request.is_sent = request.answer.is_some();
        }
        self.has_unsent = true;
    }

    /// Appends the frames of the requests that the present connection has not seen.
    pub(crate) fn encode_unsent(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.has_unsent) {
            return;
        }
        for (&request, pending) in self
            .pending
            .iter_mut()
            .filter(|(_, pending)| !pending.is_sent)
        {
            ToHub::Request {
                request,
                body: &pending.body,
            }
            .encode(out);
            pending.is_sent = true;
        }
    }
}
