//! The wire of `jupyter_sse`: server-sent events as WHATWG HTML 9.2 defines them, and the frames of the link.
//!
//! No Python, no I/O, no clock. The kernel's side encodes with [`encode_body`] into a [`frame`], the hub adds
//! the head of the block ([`encode_head`]) and shares the bytes; [`Decoder`] is the way back.

mod decoder;
mod encoder;
mod event;
pub mod frame;
mod name;
mod pattern;
mod position;
mod run;

pub use decoder::{DecodeError, DecodedEvent, Decoder};
pub use encoder::{
    EncodeError, Field, MAX_EVENT_TYPE_BYTES, MAX_ID_BYTES, RESERVED_PREFIX, check_body_size,
    check_event_type, check_id, encode, encode_body, encode_head, encode_json_body, line_body,
};
pub use event::Event;
pub use name::{MAX_NAME_BYTES, NameError, check_name};
pub use pattern::{Pattern, PatternError, check_path};
pub use position::{Epoch, Position, end_id, is_end_id};
pub use run::{EndReason, RunKind};

/// What one event may take on the wire where nothing else was configured, in bytes.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;
