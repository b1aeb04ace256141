//! Whether the process at the other end of a broken link is still there.

use rustix::process::Pid;

/// How long a link may stay away whose process cannot be asked, because it runs elsewhere, in milliseconds.
const PATIENCE: u64 = 30_000;

/// Watches one process that lost its link.
#[derive(Debug)]
pub(crate) enum Watch {
    /// This descriptor becomes readable when it is gone, a zombie included.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Descriptor(rustix::fd::OwnedFd),
    /// The system has no such descriptor: ask now and then.
    Ask(Pid),
    /// The process is not in sight: it is taken for gone at this time (of `Now::mono`).
    Until(u64),
}

impl Watch {
    /// Begins to watch; `None`: it is gone already.
    pub(crate) fn start(pid: u32, now: u64) -> Option<Self> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Some(Self::Until(now + PATIENCE));
        };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
            Ok(descriptor) => return Some(Self::Descriptor(descriptor)),
            Err(rustix::io::Errno::SRCH) => return None,
            Err(_) => {}
        }
        (!is_gone(pid)).then_some(Self::Ask(pid))
    }

    /// Whether it is gone, as far as asking tells.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        match self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Self::Descriptor(_) => false,
            Self::Ask(pid) => is_gone(*pid),
            Self::Until(time) => now >= *time,
        }
    }
}

/// Whether no process has this number any more.
fn is_gone(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{PATIENCE, Watch};

    #[test]
    fn a_process_that_is_not_in_sight_is_given_time() {
        let watch = Watch::start(0, 5).unwrap();
        assert!(!watch.is_over(4 + PATIENCE));
        assert!(watch.is_over(5 + PATIENCE));
    }

    #[test]
    fn this_process_is_there() {
        let watch = Watch::start(std::process::id(), 0).unwrap();
        assert!(!watch.is_over(u64::MAX));
    }
}
