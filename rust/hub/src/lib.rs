//! The hub: the streams of one server, and the threads that carry them to their subscribers. No Python, no GIL.
//!
//! Inside out:
//!
//! - [`log`] holds one stream's events (`blocks`: its bytes, `line`: how they read, `own_ids`: how producers named them), [`holes`] what never came, [`stream`] adds runs and
//!   producers; [`state`] is all of them behind one lock (`roster`: who is connected), `departed` what is left of those that are gone.
//! - `query` is what a reader asks for, [`subscription`] the reader: a `cursor` in each of its streams, each with a [`start`]; `conflate` what it may be spared;
//!   [`control`] is what the hub itself says.
//! - `links` is what a kernel's frames do: `opening` streams, `request`s, those that are `gone_links`; `block` says what is an event at all.
//! - `route` is a family of names whose readers get a run of their own each, `visit` what such a reader gets.
//! - `publish` is what a POST does: `post_body` reads its events (`json_event`: out of JSON), `producers` knows those that came before.
//!
//! These are pure. Around them stands the I/O: `reactor`, a thread, with its `slots`; `peer`, `connection`, `reader` and `portable`, what
//! it carries; `audience`, whom it wakes; `report`, what is seen of readers; `process`, whom it watches; `door`, where links come in. [`Hub`] is the handle that others hold.

mod arrivals;
mod audience;
mod block;
mod blocks;
mod clock;
mod conflate;
mod connection;
pub mod control;
mod counters;
mod cursor;
mod departed;
mod door;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gone_links;
pub mod holes;
mod hub;
mod json_event;
mod line;
mod links;
#[cfg(test)]
mod links_test;
pub mod log;
#[cfg(test)]
mod model_test;
mod number_map;
mod opening;
mod options;
mod own_ids;
mod peer;
mod portable;
mod post_body;
mod process;
mod producers;
mod publish;
#[cfg(test)]
mod publish_test;
mod query;
mod random;
mod reactor;
mod reader;
mod report;
mod request;
mod roster;
mod route;
mod shared;
mod signal;
mod slots;
mod socket;
pub mod start;
pub mod state;
#[cfg(test)]
mod state_test;
pub mod stream;
pub mod subscription;
mod token;
mod visit;

pub use clock::Now;
pub use hub::Hub;
pub use options::{HistoryBounds, HubOptions};
pub use portable::Piece;
pub use post_body::{BodyError, BodyErrorKind, Format};
pub use publish::{Publication, PublishError};
pub use query::Query;
pub use roster::{ConnectionName, Guest};
pub use socket::Socket;
pub use state::Refusal;
pub use subscription::{Subscription, Wants};
pub use visit::Begun;
