//! What the kernel is told by its link, in the order in which it happened.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::keys::Refusal;
use crate::queue::Losses;

/// Something that the kernel should act on or tell its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Somebody wants this producer to stop.
    Stop {
        /// The stream, as [`crate::Link::open`] named it.
        key: u32,
    },
    /// A reader of a route has come: its visit is to be opened at once, and then run.
    Begin {
        /// The route, as [`crate::Link::open`] named it.
        key: u32,
        /// Names the visit in the options that [`crate::Link::open`] takes.
        visit: u64,
        /// JSON: what the reader asked for, and who it is.
        request: String,
    },
    /// The reader of a visit wants more: [`crate::Link::credit`] is above zero again.
    Credit {
        /// The visit's producer.
        key: u32,
    },
    /// The hub refused a stream after [`crate::Link::open`] had returned.
    Refused {
        /// The stream.
        key: u32,
        /// Why.
        refusal: Refusal,
    },
    /// A server is connected.
    Linked,
    /// The server is gone. The link goes on looking for one.
    Unlinked {
        /// What happened.
        reason: String,
    },
    /// Events were dropped because no server took them. Readers will see a gap in their place.
    Lost {
        /// The stream.
        key: u32,
        /// How many, since the last command that told of this stream.
        count: u64,
    },
}

/// Commands that nobody has asked for yet.
///
/// Bounded without dropping anything that matters: of each key at most one of each kind waits (counts add up),
/// and of the changes between linked and unlinked only the last. Of visits that begin the hub bounds the number.
pub(crate) struct Commands {
    /// Guards the queue alone, apart from the link's state, so that a reader of commands never delays `send`.
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    commands: VecDeque<Command>,
    is_closed: bool,
}

impl Commands {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    pub(crate) fn push(&self, command: Command) {
        self.lock().add(command);
        self.arrived.notify_one();
    }

    pub(crate) fn push_losses(&self, losses: &Losses) {
        for (&key, loss) in losses {
            let count = loss.events;
            self.push(Command::Lost { key, count });
        }
    }

    /// No more commands will come: whoever waits is let go.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    /// The oldest command, or `None` at the deadline or when the link is closed and nothing is left.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Option<Command> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut waiting = self.lock();
        loop {
            if let Some(command) = waiting.commands.pop_front() {
                return Some(command);
            }
            if waiting.is_closed {
                return None;
            }
            waiting =
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    None => self
                        .arrived
                        .wait(waiting)
                        .unwrap_or_else(PoisonError::into_inner),
                    Some(Duration::ZERO) => return None,
                    Some(left) => {
                        self.arrived
                            .wait_timeout(waiting, left)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, command: Command) {
        match &command {
            Command::Lost { key, count } => {
                let earlier = self.commands.iter_mut().find_map(|waiting| match waiting {
                    Command::Lost { key: other, count } if other == key => Some(count),
                    _ => None,
                });
                if let Some(earlier) = earlier {
                    *earlier += count;
                    return;
                }
            }
            // The hub begins each visit once.
            Command::Begin { .. } => {}
            Command::Stop { .. } | Command::Refused { .. } | Command::Credit { .. } => {
                self.commands.retain(|waiting| *waiting != command);
            }
            Command::Linked | Command::Unlinked { .. } => {
                self.commands.retain(|waiting| {
                    !matches!(waiting, Command::Linked | Command::Unlinked { .. })
                });
            }
        }
        self.commands.push_back(command);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_nobody_reads_stay_few() {
        let commands = Commands::new();
        for _ in 0..1000 {
            commands.push(Command::Linked);
            commands.push(Command::Stop { key: 1 });
            commands.push(Command::Lost { key: 1, count: 2 });
            commands.push(Command::Unlinked {
                reason: "gone".to_owned(),
            });
        }
        let waiting: Vec<Command> =
            std::iter::from_fn(|| commands.next(Some(Duration::ZERO))).collect();
        assert_eq!(
            waiting,
            [
                Command::Lost {
                    key: 1,
                    count: 2000
                },
                Command::Stop { key: 1 },
                Command::Unlinked {
                    reason: "gone".to_owned()
                },
            ]
        );
    }

    #[test]
    fn closing_lets_a_waiting_reader_go_after_what_is_left() {
        let commands = Commands::new();
        commands.push(Command::Linked);
        commands.close();
        assert_eq!(commands.next(None), Some(Command::Linked));
        assert_eq!(commands.next(None), None);
    }
}
