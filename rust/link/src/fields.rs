use jupyter_sse_codec::frame;
use jupyter_sse_codec::{EncodeError, check_body_size, check_event_type, check_id, encode_body};

/// One event to be sent. A field that is `None` has no line in the block.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// The event's type; empty is none.
    pub event: Option<&'a str>,
    /// The producer's own id; empty is none.
    pub id: Option<&'a str>,
    /// The text. CR, CRLF and LF in it are line ends.
    pub data: Option<&'a str>,
    /// The reconnection time that readers are told, in milliseconds.
    pub retry: Option<u64>,
    /// Text that readers see in the raw stream only.
    pub comment: Option<&'a str>,
}

impl Fields<'_> {
    pub(crate) fn check(&self, max_event_bytes: usize) -> Result<(), EncodeError> {
        self.event.map_or(Ok(()), check_event_type)?;
        self.id.map_or(Ok(()), check_id)?;
        check_body_size(
            self.data.map(str::as_bytes),
            self.retry,
            self.comment,
            max_event_bytes,
        )
    }

    pub(crate) fn encode(&self, seq: u64, key: u32, out: &mut Vec<u8>) {
        let event = self.event.unwrap_or_default().as_bytes();
        let id = self.id.unwrap_or_default().as_bytes();
        frame::encode_event(out, seq, key, event, id, |out| {
            encode_body(out, self.data, self.retry, self.comment);
        });
    }
}
