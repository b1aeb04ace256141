//! A descriptor that becomes readable for somebody else's event loop.

use std::io::{self, Read, Write};

#[cfg(unix)]
use std::os::unix::net::UnixStream as SignalStream;

#[cfg(not(unix))]
use std::net::TcpStream as SignalStream;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Signal {
    near: SignalStream,
    far: SignalStream,
}

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        let (near, far) = signal_pair()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self { near, far })
    }

    /// What becomes readable.
    #[cfg(unix)]
    pub(crate) fn fileno(&self) -> i32 {
        std::os::fd::AsRawFd::as_raw_fd(&self.far)
    }

    /// Makes it readable.
    pub(crate) fn raise(&self) {
        // A full pipe is readable all the same.
        let _ = (&self.near).write(&[1]);
    }

    /// Makes it unreadable.
    pub(crate) fn take_down(&self) {
        let mut scratch = [0u8; 64];
        while (&self.far)
            .read(&mut scratch)
            .is_ok_and(|count| count == scratch.len())
        {}
    }
}

#[cfg(unix)]
fn signal_pair() -> io::Result<(SignalStream, SignalStream)> {
    SignalStream::pair()
}

#[cfg(not(unix))]
fn signal_pair() -> io::Result<(SignalStream, SignalStream)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let near = SignalStream::connect(listener.local_addr()?)?;
    Ok((near, listener.accept()?.0))
}
