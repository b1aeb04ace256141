//! What can go wrong with the calls of [`crate::Link`].

use std::error::Error;
use std::fmt;

use jupyter_sse_codec::{NameError, PatternError};

use crate::keys::Refusal;

/// Why a link is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// It was closed.
    Closed,
    /// It belongs to the process that this one was forked from.
    Abandoned,
}

/// Why a stream could not be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// No stream can have this name.
    Name(NameError),
    /// No route can have this pattern.
    Pattern(PatternError),
    /// The hub said no.
    Refused(Refusal),
    /// Name and options are longer than one event may be, in bytes.
    TooLarge {
        /// How long they are.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// Too many streams were opened and ended without a server that takes them.
    Full,
    /// The link is of no use.
    Gone(Gone),
}

/// Why an event or an end was not queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The stream is not open: never opened, or ended.
    NotOpen,
    /// The error that a producer ends with is longer than one event may be, in bytes.
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The hub refused the stream.
    Refused(Refusal),
    /// The link is of no use.
    Gone(Gone),
}

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestError {
    /// None came in time.
    TimedOut {
        /// Whether a server was connected at the end.
        is_linked: bool,
    },
    /// The request is longer than one event may be, in bytes.
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The link is of no use.
    Gone(Gone),
}

impl fmt::Display for Gone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Closed => "the link is closed",
            Self::Abandoned => "the link belongs to the process that this one was forked from",
        })
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(out),
            Self::Pattern(error) => error.fmt(out),
            Self::Refused(refusal) => out.write_str(&refusal.message),
            Self::TooLarge { bytes, limit } => {
                write!(
                    out,
                    "name and options of at most {limit} bytes expected, got {bytes} bytes"
                )
            }
            Self::Full => out.write_str("too many streams were opened while no server took them"),
            Self::Gone(gone) => gone.fmt(out),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen => out.write_str("the stream's producer has ended"),
            Self::TooLarge { bytes, limit } => {
                write!(
                    out,
                    "an error of at most {limit} bytes expected, got {bytes} bytes"
                )
            }
            Self::Refused(refusal) => out.write_str(&refusal.message),
            Self::Gone(gone) => gone.fmt(out),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { is_linked: true } => {
                out.write_str("the server did not answer in time")
            }
            Self::TimedOut { is_linked: false } => out.write_str("no server is connected"),
            Self::TooLarge { bytes, limit } => {
                write!(
                    out,
                    "a request of at most {limit} bytes expected, got {bytes} bytes"
                )
            }
            Self::Gone(gone) => gone.fmt(out),
        }
    }
}

impl Error for OpenError {}
impl Error for SendError {}
impl Error for RequestError {}
