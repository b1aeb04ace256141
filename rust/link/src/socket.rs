//! The Unix socket itself, and what a forked child does with it.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};

use socket2::SockRef;

pub(crate) use mio::net::UnixStream as Socket;

/// What the system may hold for a server that is busy. macOS gives 8 KiB unasked.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

const NONE: RawFd = -1;

/// Checks that a socket can have this path at all: about a hundred bytes are allowed.
pub(crate) fn check_path(path: &Path) -> io::Result<()> {
    SocketAddr::from_pathname(path).map(drop)
}

/// A connection to this user's server that listens at `path`, without waiting.
///
/// # Errors
///
/// Whatever the system says, and somebody else listens there.
pub(crate) fn dial(path: &Path) -> io::Result<Socket> {
    let socket = Socket::connect(path)?;
    check_listener(&socket)?;
    // Fewer and larger writes; without it everything works as well.
    let _ = SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER_BYTES);
    #[cfg(target_vendor = "apple")]
    SockRef::from(&socket).set_nosigpipe(true)?;
    Ok(socket)
}

/// Refuses other users' servers: once a server is gone, and its folder with it, whoever may write beside that folder can
/// listen at its path, and links dial for ever.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_listener(socket: &Socket) -> io::Result<()> {
    let listener = rustix::net::sockopt::socket_peercred(socket)?;
    is_trusted(listener.uid)
        .then_some(())
        .ok_or_else(|| io::ErrorKind::PermissionDenied.into())
}

/// Elsewhere the system does not tell in the same way.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::unnecessary_wraps, reason = "as above")]
fn check_listener(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_trusted(listener: rustix::process::Uid) -> bool {
    listener == rustix::process::geteuid() || listener.is_root()
}

/// Writes what the socket takes, in one call. A server that is gone is an error and never a SIGPIPE, which would end
/// a kernel whose user has brought back its default action.
pub(crate) fn write(socket: &Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    #[cfg(target_vendor = "apple")]
    return SockRef::from(socket).send_vectored(slices);
    #[cfg(not(target_vendor = "apple"))]
    SockRef::from(socket).send_vectored_with_flags(
        slices,
        rustix::net::SendFlags::NOSIGNAL.bits().cast_signed(),
    )
}

/// Which descriptor the link thread's socket has, for a forked child, which has no link thread.
///
/// A child that kept the descriptor would keep the connection open after its parent has died, and the server
/// would go on waiting for a kernel that is gone.
pub(crate) struct OpenSocket(AtomicI32);

impl OpenSocket {
    pub(crate) const fn none() -> Self {
        Self(AtomicI32::new(NONE))
    }

    pub(crate) fn set(&self, socket: &Socket) {
        self.0.store(socket.as_raw_fd(), Ordering::Release);
    }

    /// To be called before the socket is closed, so that no descriptor of somebody else is ever named here.
    /// A fork between the two leaves the child with a descriptor of a connection that is at its end.
    pub(crate) fn clear(&self) {
        self.0.store(NONE, Ordering::Release);
    }

    /// Closes the forked child's copy. The parent's connection does not notice.
    #[allow(
        unsafe_code,
        reason = "the child has no other owner of the descriptor, see below"
    )]
    pub(crate) fn close_in_child(&self) {
        let descriptor = self.0.swap(NONE, Ordering::AcqRel);
        if descriptor != NONE {
            // SAFETY: it was the link thread's socket when the parent forked, for it is forgotten before it is
            // closed; so it is open here as well. Its owner is the link thread, which this process
            // does not have: nobody else will use or close it.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use rustix::process::{Uid, geteuid};

    use super::is_trusted;

    #[test]
    fn only_this_user_and_root_are_trusted_as_servers() {
        assert!(is_trusted(geteuid()));
        assert!(is_trusted(Uid::ROOT));
        assert!(!is_trusted(Uid::from_raw(geteuid().as_raw() + 1)));
    }
}
