//! Whether a process is still there.

use std::io;

use rustix::process::Pid;

/// Watches one process that lost its link.
#[derive(Debug)]
pub(crate) enum Watch {
    /// It is gone already.
    Gone,
    /// This descriptor becomes readable when it is gone, a zombie included.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Descriptor(rustix::fd::OwnedFd),
    /// The system has no such descriptor: ask now and then.
    Ask(Pid),
}

/// Begins to watch.
pub(crate) fn watch(pid: u32) -> Watch {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Watch::Gone;
    };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(fd) => return Watch::Descriptor(fd),
        Err(rustix::io::Errno::SRCH) => return Watch::Gone,
        Err(_) => {}
    }
    if is_gone(pid) {
        Watch::Gone
    } else {
        Watch::Ask(pid)
    }
}

/// Whether no process has this number any more.
pub(crate) fn is_gone(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid).is_err_and(|error| {
        io::Error::from(error).kind() == io::ErrorKind::NotFound || error == rustix::io::Errno::SRCH
    })
}
