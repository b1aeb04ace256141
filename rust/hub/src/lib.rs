//! The hub: the streams of one server, and the thread that carries them to their subscribers. No Python, no GIL.
//!
//! Inside out: [`log`] holds one stream's events, [`stream`] adds runs and producers, [`state`] is all of them behind one lock;
//! [`subscription`] is one reader's cursors, [`links`] one kernel's frames. These are pure. Around them stand `reactor`, the thread that
//! does the I/O, and [`Hub`], the handle that others hold.

mod audience;
mod block;
mod blocks;
mod clock;
mod connection;
pub mod control;
mod counters;
mod cursor;
mod departed;
pub mod holes;
mod hub;
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
mod peer;
mod portable;
mod process;
mod random;
mod reactor;
mod reader;
mod request;
mod shared;
mod slots;
mod socket;
pub mod start;
pub mod state;
#[cfg(test)]
mod state_test;
pub mod stream;
pub mod subscription;
mod token;

pub use clock::Now;
pub use hub::{Hub, Query};
pub use options::{HistoryBounds, HubOptions};
pub use portable::Piece;
pub use socket::Socket;
pub use state::Refusal;
pub use subscription::{Subscription, Wants};
