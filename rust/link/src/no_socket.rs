//! What stands for the socket where there are no Unix sockets: a link cannot be started there.
//! Loopback TCP with a secret belongs here.

#![allow(clippy::unused_self, reason = "the same shape as on Unix")]

use std::io::{self, IoSlice, Write};
use std::path::Path;

pub(crate) use mio::net::TcpStream as Socket;

pub(crate) fn check_path(_path: &Path) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "a link needs Unix sockets, which this platform has not",
    ))
}

pub(crate) fn dial(path: &Path) -> io::Result<Socket> {
    check_path(path).and(Err(io::ErrorKind::Unsupported.into()))
}

pub(crate) fn write(mut socket: &Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    socket.write_vectored(slices)
}

/// There is no fork on such a platform.
pub(crate) struct OpenSocket(());

impl OpenSocket {
    pub(crate) const fn none() -> Self {
        Self(())
    }

    pub(crate) fn set(&self, _socket: &Socket) {}

    pub(crate) fn clear(&self) {}

    pub(crate) fn close_in_child(&self) {}
}
