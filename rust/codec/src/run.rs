/// How a run came to be. The numbers are those of the link's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RunKind {
    /// A cell or a generator: it owns the stream, and each start is a new run.
    Run = 0,
    /// `Stream.send`: joins the run of this kind that its kernel has, or starts one.
    Send = 1,
    /// An HTTP POST; never travels over a link.
    Post = 2,
    /// A pattern of names whose readers get a run of their own each: no run itself.
    Route = 3,
    /// What one reader of a route gets.
    Visit = 4,
}

impl RunKind {
    /// The kind with this number, if there is one.
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Run),
            1 => Some(Self::Send),
            2 => Some(Self::Post),
            3 => Some(Self::Route),
            4 => Some(Self::Visit),
            _ => None,
        }
    }

    /// The number in the link's frames.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The kind of this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Run, Self::Send, Self::Post, Self::Route, Self::Visit];
        all.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name in JSON and in Python.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Send => "send",
            Self::Post => "post",
            Self::Route => "route",
            Self::Visit => "visit",
        }
    }
}

/// Why a run ended. The numbers are those of the link's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// The producer had nothing more to say.
    Done = 0,
    /// Somebody stopped it.
    Stopped = 1,
    /// It raised.
    Error = 2,
    /// Its process is gone.
    Lost = 3,
    /// It did not want this reader, as an HTTP server refuses a request.
    Refused = 4,
}

impl EndReason {
    /// The reason with this number, if there is one.
    pub const fn from_u8(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Done),
            1 => Some(Self::Stopped),
            2 => Some(Self::Error),
            3 => Some(Self::Lost),
            4 => Some(Self::Refused),
            _ => None,
        }
    }

    /// The number in the link's frames.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The reason of this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Done,
            Self::Stopped,
            Self::Error,
            Self::Lost,
            Self::Refused,
        ];
        all.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The name in `sse.end` and in Python.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::Error => "error",
            Self::Lost => "lost",
            Self::Refused => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back_to_the_same_value() {
        for number in 0..=255 {
            if let Some(kind) = RunKind::from_u8(number) {
                assert_eq!(
                    (kind.as_u8(), RunKind::parse(kind.as_str())),
                    (number, Some(kind))
                );
            }
            if let Some(reason) = EndReason::from_u8(number) {
                assert_eq!(
                    (reason.as_u8(), EndReason::parse(reason.as_str())),
                    (number, Some(reason))
                );
            }
        }
        assert_eq!((RunKind::parse("Run"), EndReason::parse("")), (None, None));
    }
}
