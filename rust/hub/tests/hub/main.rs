//! A real hub, real sockets: what comes out at both ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod carry;
mod client;
mod coming;
mod goodbye;
mod kernel;
mod links;
mod patience;
mod portable;
mod threads;
mod visits;
