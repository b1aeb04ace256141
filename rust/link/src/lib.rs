//! The kernel's side of the link to the server: no Python.
//!
//! [`Link::send`] copies an event into a bounded queue. The link thread writes what is queued over a Unix
//! socket, keeps it until the hub confirms it, and after a new connection sends again exactly what the hub does not
//! have. The other way come receipts, answers and [`Command`]s.
//!
//! - `queue`, `chunk`: what is not confirmed, its bound, and what happens at it: pure.
//! - `flight`: the part of it that the thread is writing or has written: pure.
//! - `keys`, `requests`: the open streams and the open questions: pure.
//! - `session`, `wire`: what calls and frames do to all of these, and the bytes of one connection: pure.
//! - `connection`, `socket`: one connection's socket.
//! - `thread`: dials, reads, writes, dials again.
//! - `link`, `command`: what a kernel calls and what it is told.
//!
//! Nothing here waits while it holds the lock, no frame costs a system call while the thread is busy, and no event is
//! dropped without a `Lost` frame in its place.

mod chunk;
mod command;
mod connection;
mod error;
mod flight;
mod keys;
mod link;
#[cfg(test)]
mod model_test;
mod options;
mod queue;
mod redial;
mod requests;
mod session;
mod shared;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
#[cfg_attr(not(unix), path = "no_socket.rs")]
mod socket;
mod thread;
mod wire;

pub use command::Command;
pub use error::{Gone, OpenError, RequestError, SendError};
pub use jupyter_sse_codec::{EndReason, NameError, RunKind};
pub use keys::Refusal;
pub use link::{Link, Opened, Sent, Stats};
pub use options::LinkOptions;
