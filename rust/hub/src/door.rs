//! The socket where links come in: for this user alone from its first moment, and never taken from a server that lives.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use mio::net::UnixListener;
use rustix::fs::{FlockOperation, Mode, flock};
use socket2::{Domain, SockAddr, Socket, Type};

/// How many callers may wait to be accepted.
const BACKLOG: i32 = 1024;

/// See the module's text. Dropping it removes the socket's file, where that is still this socket's.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    file: FileId,
}

/// Device, number and time of a file: numbers are used again.
type FileId = (u64, u64, i64, i64);

impl Door {
    /// Listens at `path`. What a dead server left there goes.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AddrInUse`]: a server that lives listens there, or something stands there that is no socket; else the
    /// system's own.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, UnixListener)> {
        let _only_one = lock_folder(path);
        if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            if is_answered(path)? {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "expected no server at this path, got one that answers; stop it or choose another path",
                ));
            }
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        bind_private(&socket, path)?;
        let door = Self {
            path: path.to_owned(),
            file: file_id(path)?,
        };
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let listener = std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket));
        Ok((door, UnixListener::from_std(listener)))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _only_one = lock_folder(&self.path);
        if file_id(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn file_id(path: &Path) -> io::Result<FileId> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino(), found.mtime(), found.mtime_nsec()))
}

/// Keeps others out of a socket's folder while one of them is looked at and replaced. Where the file system knows no locks, two servers
/// that start in the same instant are not kept apart.
fn lock_folder(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new("."))).ok()?;
    flock(&folder, FlockOperation::LockExclusive).ok()?;
    Some(folder)
}

/// Whether somebody listens at a socket.
fn is_answered(path: &Path) -> io::Result<bool> {
    let caller = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One with a full backlog lives, and would keep a caller waiting.
    caller.set_nonblocking(true)?;
    match caller.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(false),
            io::ErrorKind::WouldBlock => Ok(true),
            _ => Err(error),
        },
    }
}

/// Binds with mode 0600 from the start: Linux gives the file the mode of the socket.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_private(socket: &Socket, path: &Path) -> io::Result<()> {
    rustix::fs::fchmod(socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)
}

/// Binds with mode 0700 from the start, then 0600. The mask is the process's: what another thread makes meanwhile is private, too.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_private(socket: &Socket, path: &Path) -> io::Result<()> {
    /// Two at one time would each give back the other's mask.
    static MASK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let address = SockAddr::unix(path)?;
    let bound = {
        let _only_one = crate::reader::lock(&MASK);
        let usual = rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let bound = socket.bind(&address);
        rustix::process::umask(usual);
        bound
    };
    bound?;
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;

    use super::Door;

    fn path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("jsse-door-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn the_socket_is_this_users_alone_and_goes_with_the_server() {
        let path = path("own");
        let (door, _listener) = Door::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        drop(door);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_at_which_a_server_answers_is_not_taken() {
        let path = path("alive");
        let (door, listener) = Door::open(&path).unwrap();
        let refused = Door::open(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        assert!(refused.to_string().contains("got one that answers"));
        UnixStream::connect(&path).unwrap();
        drop((door, listener));
    }

    #[test]
    fn a_socket_that_a_dead_server_left_is_replaced() {
        let path = path("dead");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (_door, _listener) = Door::open(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_socket_that_is_anothers_by_now_stays() {
        let path = path("other");
        let (door, listener) = Door::open(&path).unwrap();
        drop(listener);
        let (other, _listener) = Door::open(&path).unwrap();
        drop(door);
        assert!(path.exists());
        drop(other);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_stays_and_is_said() {
        let path = path("file");
        fs::write(&path, "").unwrap();
        assert_eq!(Door::open(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
    }
}
