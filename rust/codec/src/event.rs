/// One server-sent event before it is encoded. A field that is `None` has no line in the block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// The event's type; `None` is what browsers call `message`.
    pub event: Option<String>,
    /// The text. CR, CRLF and LF in it are line ends; an empty text is still dispatched.
    pub data: Option<String>,
    /// What a returning reader names to resume. An empty id resets the reader's last event ID.
    pub id: Option<String>,
    /// The reconnection time that the reader is told, in milliseconds.
    pub retry: Option<u64>,
    /// Text that readers see in the raw stream only.
    pub comment: Option<String>,
}
