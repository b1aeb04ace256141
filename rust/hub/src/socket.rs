//! A subscriber's socket: any stream socket, non-blocking, written by the reactor.

use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use mio::event::Source;
#[cfg(unix)]
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

/// What a stalled reader may leave unsent in the kernel, in bytes. Without a bound it swallows megabytes before it is seen to lag.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 << 10;
/// The same where only the whole buffer can be bounded.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UNSENT_BYTES: usize = 128 << 10;

/// How often a client is read that goes on sending.
const MAX_READS: usize = 64;

/// See the module's text.
#[derive(Debug)]
pub struct Socket {
    #[cfg(unix)]
    fd: OwnedFd,
}

#[cfg(unix)]
impl Socket {
    /// Takes a descriptor over; it is closed with this value.
    ///
    /// # Errors
    ///
    /// It is negative, or cannot be made non-blocking: no socket.
    pub fn take(fd: RawFd) -> io::Result<Self> {
        if fd < 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the caller duplicated this descriptor for us and keeps no other owner of it.
        #[allow(unsafe_code)]
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Self::from_owned(fd)
    }

    /// Takes an owned descriptor over.
    ///
    /// # Errors
    ///
    /// It cannot be made non-blocking: no socket.
    pub fn from_owned(fd: OwnedFd) -> io::Result<Self> {
        let socket = SockRef::from(&fd);
        socket.set_nonblocking(true)?;
        // Both are matters of speed and fairness; a Unix socket knows neither.
        let _ = socket.set_tcp_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = socket.set_send_buffer_size(UNSENT_BYTES);
        #[cfg(target_vendor = "apple")]
        let _ = socket.set_nosigpipe(true);
        Ok(Self { fd })
    }

    /// Writes some of `bytes`; `None`: not now.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Option<usize>> {
        loop {
            let socket = SockRef::from(&self.fd);
            #[cfg(any(target_os = "linux", target_os = "android"))]
            let sent = socket
                .send_with_flags(bytes, rustix::net::SendFlags::NOSIGNAL.bits().cast_signed());
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            let sent = socket.send(bytes);
            match sent {
                // Nothing is written only where nothing is given; to go on with it would never end.
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// How many bytes the system holds for the client that it has not taken; `None` where that is not known.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn queued(&self) -> Option<u64> {
        // SAFETY: this request writes one C integer and nothing else.
        #[allow(unsafe_code)]
        let queued = unsafe {
            use rustix::ioctl::{Getter, Opcode, ioctl};
            const SIOCOUTQ: Opcode = 0x5411;
            ioctl(&self.fd, Getter::<SIOCOUTQ, std::ffi::c_int>::new())
        };
        u64::try_from(queued.ok()?).ok()
    }

    /// How many bytes the system holds for the client that it has not taken: not known here.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    #[expect(clippy::unused_self, reason = "known elsewhere")]
    pub(crate) fn queued(&self) -> Option<u64> {
        None
    }

    /// What the system still holds for the client is thrown away when this is closed, and the client told at once.
    pub(crate) fn give_up(&self) {
        let _ = SockRef::from(&self.fd).set_linger(Some(std::time::Duration::ZERO));
    }

    /// Reads what the client still sends, and throws it away: nothing it could say counts. Returns whether it has left, or sends so
    /// much that it is no reader.
    pub(crate) fn is_gone(&self) -> bool {
        let mut scratch = [0u8; 4096];
        for _ in 0..MAX_READS {
            match rustix::net::recv(&self.fd, &mut scratch[..], rustix::net::RecvFlags::empty()) {
                Ok((0, _)) => return true,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return false,
                Err(_) => return true,
            }
        }
        true
    }
}

#[cfg(not(unix))]
impl Socket {
    pub(crate) fn write(&self, _bytes: &[u8]) -> io::Result<Option<usize>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn queued(&self) -> Option<u64> {
        None
    }

    pub(crate) fn give_up(&self) {}

    pub(crate) fn is_gone(&self) -> bool {
        true
    }
}

impl Source for Socket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        #[cfg(unix)]
        return SourceFd(&self.fd.as_raw_fd()).register(registry, token, interests);
        #[cfg(not(unix))]
        return Err(unsupported(registry, token, interests));
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        #[cfg(unix)]
        return SourceFd(&self.fd.as_raw_fd()).reregister(registry, token, interests);
        #[cfg(not(unix))]
        return Err(unsupported(registry, token, interests));
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        #[cfg(unix)]
        return SourceFd(&self.fd.as_raw_fd()).deregister(registry);
        #[cfg(not(unix))]
        return Ok(drop(registry));
    }
}

#[cfg(not(unix))]
fn unsupported(_registry: &Registry, _token: Token, _interests: Interest) -> io::Error {
    io::ErrorKind::Unsupported.into()
}
